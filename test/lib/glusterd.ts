import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { mustRun, runCommand } from './run-command.js';
import { waitFor } from './wait.js';

export interface GlusterdOptions {
  /** What its host has as glusterSsl(). */
  readonly ssl: string;
  /** Whether glusterd itself speaks TLS only (/var/lib/glusterd/secure-access). */
  readonly management: boolean;
}

/** Where this machine's GlusterFS was built to look for `glusterfs.pem`, `.key` and `.ca`; it differs between builds. */
export async function glusterSsl(): Promise<string> {
  const library = '/usr/lib/*/glusterfs/*/rpc-transport/socket.so';
  const found = await mustRun('sh', ['-c', `grep -aoh '/[a-z/]*/glusterfs[.]pem' ${library}`]);
  return dirname(found.split('\n')[0] ?? '');
}

/** In a mount namespace of its own (ip-netns(8)): two directories of the host, then the program. */
const WITH_SSL = 'mount --bind "$1" "$2" && mount --bind "$3" /var/lib/glusterd && shift 3 && exec "$@"';

/** The command that glusterd runs behind. */
async function sslPrefix(directory: string, { ssl, management }: GlusterdOptions): Promise<string[]> {
  const library = join(directory, 'lib');
  await mkdir(library);
  if (management) await writeFile(join(library, 'secure-access'), '');
  return ['sh', '-c', WITH_SSL, 'sh', ssl, await glusterSsl(), library];
}

/**
 * A real glusterd in a network namespace of its own: another host, as a pool of type `gluster` sees it. It keeps
 * everything below its directory, but for quotad's socket and the logs of GlusterFS' own helpers.
 */
export class Glusterd {
  /** Where its volumes are served. */
  readonly host: string;
  /** Its network namespace. */
  readonly namespace: string;
  readonly #directory: string;
  readonly #link: string;
  readonly #daemon: ChildProcess;

  private constructor(options: {
    directory: string;
    host: string;
    namespace: string;
    link: string;
    daemon: ChildProcess;
  }) {
    this.#directory = options.directory;
    this.host = options.host;
    this.namespace = options.namespace;
    this.#link = options.link;
    this.#daemon = options.daemon;
  }

  /** @param directory an empty directory on a filesystem with extended attributes */
  static async start(directory: string, options?: GlusterdOptions): Promise<Glusterd> {
    const namespace = `kayal-${process.pid}`;
    const link = `kayal${process.pid % 1_000_000}`;
    const third = process.pid % 250;
    const [outside, host] = [`10.213.${third}.1`, `10.213.${third}.2`];
    await mustRun('ip', ['netns', 'add', namespace]);
    await mustRun('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
    await mustRun('ip', ['addr', 'add', `${outside}/30`, 'dev', link]);
    await mustRun('ip', ['link', 'set', link, 'up']);
    for (const args of [
      ['addr', 'add', `${host}/30`, 'dev', 'eth0'],
      ['link', 'set', 'eth0', 'up'],
      ['link', 'set', 'lo', 'up'],
    ]) {
      await mustRun('ip', ['-n', namespace, ...args]);
    }
    for (const name of ['work', 'run']) await mkdir(join(directory, name), { recursive: true });
    const volfile = join(directory, 'glusterd.vol');
    await writeFile(volfile, managementVolfile(directory));
    const argv = ['-N', '-f', volfile, '-l', join(directory, 'glusterd.log'), '-p', join(directory, 'glusterd.pid')];
    const prefix = options === undefined ? [] : await sslPrefix(directory, options);
    const daemon = spawn('ip', ['netns', 'exec', namespace, ...prefix, 'glusterd', ...argv], { stdio: 'ignore' });
    const glusterd = new Glusterd({ directory, host, namespace, link, daemon });
    try {
      await waitFor('glusterd', async () => ((await glusterd.#run(['volume', 'list'])).code === 0 ? true : undefined));
      return glusterd;
    } catch (error) {
      await glusterd.stop();
      throw error;
    }
  }

  #run(args: readonly string[]): ReturnType<typeof runCommand> {
    const cli = ['gluster', `--glusterd-sock=${join(this.#directory, 'glusterd.socket')}`, '--mode=script'];
    return runCommand('ip', ['netns', 'exec', this.namespace, ...cli, ...args]);
  }

  /** `gluster …`. @throws Error with what it printed when it fails */
  async gluster(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#run(args);
    if (code !== 0) throw new Error(`gluster ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  /** A brick's path, for `volume create`. */
  brick(name: string): string {
    return `${this.host}:${join(this.#directory, name)}`;
  }

  /** Pulls the network cable of the host, or puts it back; what runs there goes on. */
  async cable(state: 'up' | 'down'): Promise<void> {
    await mustRun('ip', ['link', 'set', this.#link, state]);
  }

  /** Ends glusterd, its bricks and helpers, and its network. */
  async stop(): Promise<void> {
    for (const pid of await this.#pids()) await end(pid);
    if (this.#daemon.exitCode === null && this.#daemon.signalCode === null) {
      const ended = once(this.#daemon, 'exit');
      this.#daemon.kill('SIGTERM');
      await ended;
    }
    await runCommand('ip', ['link', 'del', this.#link]);
    await runCommand('ip', ['netns', 'del', this.namespace]);
  }

  /** Bricks and helpers, by their pid files. */
  async #pids(): Promise<number[]> {
    const files = await readdir(join(this.#directory, 'run'), { recursive: true });
    const texts = await Promise.all(
      files.filter((name) => name.endsWith('.pid')).map((name) => readFile(join(this.#directory, 'run', name), 'utf8')),
    );
    return texts.map(Number).filter((pid) => pid > 0);
  }
}

async function end(pid: number): Promise<void> {
  const isOurs = await readFile(`/proc/${pid}/cmdline`, 'utf8').then(
    (text) => text.includes('gluster'),
    () => false,
  );
  if (!isOurs) return;
  process.kill(pid, 'SIGKILL');
  await waitFor(`process ${pid} to end`, () =>
    readFile(`/proc/${pid}/cmdline`, 'utf8').then(
      (text) => (text === '' ? true : undefined),
      () => true as const,
    ),
  );
}

/** For `glusterd -f`: all that it writes lies in the directory. */
export function managementVolfile(directory: string): string {
  const options = {
    'working-directory': join(directory, 'work'),
    'run-directory': join(directory, 'run'),
    'glusterd-sockfile': join(directory, 'glusterd.socket'),
    'transport-type': 'socket',
    'transport.address-family': 'inet',
    'transport.socket.listen-port': '24007',
    'transport.socket.read-fail-log': 'off',
    'ping-timeout': '0',
    'event-threads': '1',
  };
  const lines = Object.entries(options).map(([key, value]) => `  option ${key} ${value}`);
  return ['volume management', '  type mgmt/glusterd', ...lines, 'end-volume', ''].join('\n');
}
