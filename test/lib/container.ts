import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseMountinfo, type MountEntry } from '../../src/linux/mountinfo.js';
import { runCommand } from './run-command.js';
import { waitFor } from './wait.js';

/** A bind mount that the container gets; `at` is relative to its own directory. */
export interface ContainerMount {
  readonly from: string;
  readonly at: string;
  readonly readOnly?: boolean;
}

export interface ContainerOptions {
  /** The mounts are made below it; what is in it on the disk is not touched. */
  readonly directory: string;
  /** In the order in which they are made, so that one may be in another. */
  readonly mounts: readonly ContainerMount[];
  /**
   * What its main program tries again and again: `append` a line to a file, `read` it, or `hold` it open and write to it.
   */
  readonly verb: 'append' | 'read' | 'hold';
  /** Relative to its directory. */
  readonly files: readonly string[];
  /** Without capabilities then. */
  readonly uid?: number;
  readonly propagation?: 'private' | 'slave';
}

/** One attempt of the main program, at performance.now() of this process. */
export interface Attempt {
  readonly at: number;
  readonly ok: boolean;
  /** With the error of the shell. */
  readonly text: string;
}

/**
 * Mounts, then becomes the program: the directory, triples FROM AT MODE until `--`, then the program. Its paths are
 * relative, as somebody who is not root may not come through the directories above.
 */
const SETUP = `
set -e
cd "$1"
shift
while [ "$1" != -- ]; do
  mount --bind "$1" "$2"
  [ "$3" = rw ] || mount -o remount,bind,ro "$2"
  shift 3
done
shift
exec "$@"
`;

/** But for `hold` a file is opened anew for each attempt, as most programs that log or read configuration do. */
const PROGRAM = `
verb=$1
shift
n=0
[ $verb != hold ] || exec 3>> "$1"
while :; do
  n=$((n + 1))
  for file; do
    case $verb in
      append) message=$({ echo "$n" >> "$file"; } 2>&1) && echo "ok $file" || echo "error $message" ;;
      hold) message=$({ echo "$n" >&3; } 2>&1) && echo "ok $file" || echo "error $message" ;;
      read) message=$({ read -r line < "$file"; } 2>&1) && echo "ok $file" || echo "error $message" ;;
    esac
  done
  sleep 0.02
done
`;

/**
 * A program in a mount namespace of its own, as a container of a pod is one: what the node mounts or unmounts later does
 * not reach it.
 */
export class Container {
  readonly directory: string;
  readonly attempts: Attempt[] = [];
  readonly #child: ChildProcess;

  private constructor(directory: string, child: ChildProcess) {
    this.directory = directory;
    this.#child = child;
  }

  static async start(options: ContainerOptions): Promise<Container> {
    const { directory, mounts, verb, files, uid, propagation = 'private' } = options;
    await mkdir(directory, { recursive: true });
    const binds: string[] = [];
    for (const { from, at, readOnly } of mounts) {
      const target = join(directory, at);
      if (!at.includes('/')) await mkdir(target, { recursive: true });
      binds.push(from, target, readOnly === true ? 'ro' : 'rw');
    }
    const identity =
      uid === undefined ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--bounding-set=-all'];
    const program = [...identity, 'sh', '-c', PROGRAM, 'sh', verb, ...files];
    const args = [
      '--mount',
      '--propagation',
      propagation,
      'sh',
      '-c',
      SETUP,
      'sh',
      directory,
      ...binds,
      '--',
      ...program,
    ];
    const child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const container = new Container(directory, child);
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      const at = performance.now();
      for (const line of lines) container.attempts.push({ at, ok: line.startsWith('ok '), text: line });
    });
    try {
      await waitFor('the container to work', () => (container.attempts.some(({ ok }) => ok) ? true : undefined));
      return container;
    } catch (error) {
      await container.stop();
      throw new Error(`${directory}: ${container.attempts.at(-1)?.text ?? 'no attempt'}`, { cause: error });
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  since(at: number): readonly Attempt[] {
    return this.attempts.filter((attempt) => attempt.at >= at);
  }

  /** The mounts below its directory, as it sees them. */
  async mounts(): Promise<MountEntry[]> {
    const entries = parseMountinfo(await readFile(`/proc/${this.pid}/mountinfo`, 'utf8'));
    return entries.filter(({ target }) => target.startsWith(`${this.directory}/`));
  }

  /** Runs a program in it, as root. */
  async run(...command: readonly string[]): Promise<{ readonly ok: boolean; readonly output: string }> {
    const { code, stdout, stderr } = await runCommand('nsenter', ['-t', String(this.pid), '-m', ...command]);
    return { ok: code === 0, output: stdout + stderr };
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
