import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { mustRun, runCommand, type CommandResult } from '../../lib/run-command.js';
import { waitFor } from '../../lib/wait.js';
import { childrenOf, startDaemon, stopDaemon, type Daemon } from '../lib/daemon.js';
import { createPlace, namespacePath, type Place } from './network.js';

/**
 * What a machine sees of this one's file systems: /usr, /etc and what the run and its programs lie in; /var/lib,
 * /var/log, /run, /tmp, /mnt and the machine id are its own. Other mounts go: a copy of somebody's mount in here would
 * keep it busy after he has unmounted it. Then all is made shared, as systemd does, for kubelet's sake.
 */
const SETUP = `
set -e
directory=$1
shift
while read -r _ _ _ _ target _; do
  keep=
  case $target in / | /proc | /proc/* | /sys | /sys/* | /dev | /dev/*) keep=yes ;; esac
  for path; do
    case $path/ in "$target"/*) keep=yes ;; esac
    case $target/ in "$path"/*) keep=yes ;; esac
  done
  [ "$keep" ] || echo "$target"
done < /proc/self/mountinfo > "$directory/foreign"
while read -r target; do umount -l "$target" 2> /dev/null || true; done < "$directory/foreign"
mount --bind "$directory/log" /var/log
mount --bind "$directory/lib" /var/lib
mount --bind "$directory/machine-id" /etc/machine-id
for path in /run /tmp /mnt; do mount -t tmpfs -o mode=755 tmpfs $path; done
chmod 1777 /tmp
echo 1 > /proc/sys/net/ipv4/ip_forward
mount --make-rshared /
: > "$directory/ready"
trap '' CHLD
while :; do sleep 86400; done
`;

/**
 * A computer of its own as far as the kernel can give it: network, processes and mounts. Ending its first process ends
 * everything in it.
 */
export class Machine {
  readonly place: Place;
  readonly directory: string;
  readonly #holder: Daemon;
  /** Its process 1, as seen from here. */
  readonly #init: number;

  private constructor(place: Place, directory: string, holder: Daemon, init: number) {
    this.place = place;
    this.directory = directory;
    this.#holder = holder;
    this.#init = init;
  }

  /**
   * @param directory what it writes lies there, and in memory
   * @param shared other directories that it sees with what is mounted there
   */
  static async start(place: Place, directory: string, shared: readonly string[] = []): Promise<Machine> {
    for (const name of ['log', 'lib']) await mkdir(join(directory, name), { recursive: true });
    await writeFile(join(directory, 'machine-id'), `${randomUUID().replaceAll('-', '')}\n`);
    await createPlace(place);
    const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child=SIGKILL', '--mount-proc'];
    const seen = ['/usr', '/etc', '/bin', '/sbin', '/lib', '/lib64', homedir(), directory, ...shared];
    const holder = await startDaemon({
      program: 'nsenter',
      args: [`--net=${namespacePath(place.name)}`, ...unshare, '--propagation', 'private', 'sh', '-c', SETUP, 'sh']
        .concat(directory)
        .concat(seen),
      log: join(directory, 'machine.log'),
    });
    const init = await waitFor(`the machine ${place.name}`, async () => {
      const isReady = await runCommand('test', ['-e', join(directory, 'ready')]);
      return isReady.code === 0 ? (await childrenOf(holder.pid))[0] : undefined;
    });
    return new Machine(place, directory, holder, init);
  }

  /** A machine that an earlier program started. */
  static attach(state: MachineState): Machine {
    return new Machine(state.place, state.directory, state.holder, state.init);
  }

  get state(): MachineState {
    return { place: this.place, directory: this.directory, holder: this.#holder, init: this.#init };
  }

  get name(): string {
    return this.place.name;
  }

  /** Arguments of a program that run another one in this machine. */
  enter(command: readonly string[]): readonly [string, readonly string[]] {
    return ['nsenter', ['--target', String(this.#init), '--net', '--mount', '--pid', '--', ...command]];
  }

  run(command: readonly string[], timeoutMs = 60_000): Promise<CommandResult> {
    const [program, args] = this.enter(command);
    return runCommand(program, args, { timeoutMs });
  }

  mustRun(command: readonly string[], timeoutMs = 60_000): Promise<string> {
    const [program, args] = this.enter(command);
    return mustRun(program, args, { timeoutMs });
  }

  /** Starts a service of the machine. Its log is `<directory>/<name>.log`. */
  async startService(name: string, command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Service> {
    const [program, args] = this.enter(command);
    const log = this.logOf(name);
    const daemon = await startDaemon({ program, args, log, env: { ...process.env, ...env } });
    return { name, daemon, log };
  }

  logOf(service: string): string {
    return join(this.directory, `${service}.log`);
  }

  async stop(): Promise<void> {
    process.kill(this.#init, 'SIGKILL');
    await stopDaemon(this.#holder);
  }
}

export interface MachineState {
  readonly place: Place;
  readonly directory: string;
  readonly holder: Daemon;
  readonly init: number;
}

/** The daemon is nsenter, which waits for the program itself. */
export interface Service {
  readonly name: string;
  readonly daemon: Daemon;
  readonly log: string;
}

/** @throws Error when it does not end within 20 s, even killed */
export async function stopService({ daemon, name }: Service, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  const [pid] = await childrenOf(daemon.pid);
  if (pid !== undefined) process.kill(pid, signal);
  await waitFor(`${name} to end`, async () => ((await childrenOf(daemon.pid)).length === 0 ? true : undefined), {
    timeoutMs: 20_000,
  });
  await stopDaemon(daemon);
}
