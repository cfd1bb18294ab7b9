import { spawn } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { failedPrecondition, isErrno, messageOf, unavailable } from '../base/errors.js';
import { commandLine, isProcessAlive, startTimeOf } from '../linux/process-info.js';

/** What every program gets as its environment: nothing of Kayal's own, and messages in English. */
export const PROGRAM_ENVIRONMENT: NodeJS.ProcessEnv = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
};

/** How often an adopted process, which is no child of ours, is looked at. */
const ADOPTED_CHECK_MS = 200;

/** Which process: its pid alone may be another one's by now. */
export interface ProcessId {
  readonly pid: number;
  /** As linux/process-info.ts gives it. */
  readonly startTime: string;
}

async function goneByPolling({ pid, startTime }: ProcessId): Promise<string> {
  const alive = (): Promise<boolean> =>
    // /proc that cannot be read (EMFILE, …) says nothing about the process.
    isProcessAlive(pid, startTime).catch(() => true);
  while (await alive()) await sleep(ADOPTED_CHECK_MS, undefined, { ref: false });
  return 'is gone';
}

/** A process that we started or found, and that does not end with us. */
export class RunningProcess implements ProcessId {
  readonly pid: number;
  readonly startTime: string;
  /** How it ended; "is gone" where nobody can know. */
  readonly ended: Promise<string>;
  #alive = true;

  private constructor(id: ProcessId, ended: Promise<string>) {
    this.pid = id.pid;
    this.startTime = id.startTime;
    this.ended = ended.finally(() => {
      this.#alive = false;
    });
  }

  /** A child that was just spawned. */
  static async ofChild(child: ChildProcess): Promise<RunningProcess> {
    const ended = new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => {
        resolve(signal === null ? `exited with ${code}` : `was ended by ${signal}`);
      });
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    const { pid } = child;
    if (pid === undefined) throw unavailable('a process without a pid');
    // Until its exit is collected a child's entry in /proc stays; gone means that it ended at once.
    const startTime = (await startTimeOf(pid)) ?? '';
    return new RunningProcess({ pid, startTime }, ended);
  }

  /** A process that an earlier driver started. */
  static adopt(id: ProcessId): RunningProcess {
    return new RunningProcess(id, goneByPolling(id));
  }

  alive(): boolean {
    return this.#alive;
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      process.kill(this.pid, signal);
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error;
    }
  }

  /** SIGTERM, and SIGKILL after `graceMs`. Returns when it is gone, or hopeless (it hangs in the kernel). */
  async end(graceMs = 5_000): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (!this.#alive || !(await isProcessAlive(this.pid, this.startTime))) break;
      this.#signal(signal);
      if (await this.endsWithin(graceMs)) break;
    }
  }

  /** Waits for its end for at most `ms`, without doing anything to it; true when it came. */
  async endsWithin(ms: number): Promise<boolean> {
    const timeout = new AbortController();
    const late = sleep(ms, false, { signal: timeout.signal }).catch(() => false);
    const ended = await Promise.race([this.ended.then(() => true), late]);
    timeout.abort();
    return ended;
  }
}

/**
 * Starts a program that outlives us: a session of its own, none of our files or output.
 * @throws KayalError FAILED_PRECONDITION when it is not installed, UNAVAILABLE when it cannot be started
 */
export async function spawnDetached(argv: readonly string[]): Promise<RunningProcess> {
  const [program = '', ...args] = argv;
  const options: SpawnOptions = { detached: true, stdio: 'ignore', cwd: '/', env: PROGRAM_ENVIRONMENT };
  const child = spawn(program, args, options);
  child.unref();
  try {
    return await RunningProcess.ofChild(child);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw failedPrecondition(`${program} is not installed`, { cause: error });
    throw unavailable(`${program} cannot be started: ${messageOf(error)}`, { cause: error });
  }
}

/** Names (`comm`) of processes that may be one of ours; nsenter is what a brick is for a moment before it is a brick. */
const OUR_PROGRAMS = new Set(['glusterfs', 'glusterfsd', 'nsenter']);

async function isOurProgram(pid: number): Promise<boolean> {
  try {
    // Unlike cmdline, comm does not need the memory of a process that may hang.
    return OUR_PROGRAMS.has((await readFile(`/proc/${pid}/comm`, 'utf8')).trim());
  } catch {
    return false;
  }
}

/** A GlusterFS process of this machine. */
export interface FoundProcess extends ProcessId {
  readonly argv: readonly string[];
}

/** A live GlusterFS process with this pid; undefined: there is none. */
export async function inspectGlusterProcess(pid: number): Promise<FoundProcess | undefined> {
  if (!(await isOurProgram(pid))) return undefined;
  const startTime = await startTimeOf(pid);
  const argv = await commandLine(pid);
  if (startTime === undefined || argv === undefined || argv.length === 0) return undefined;
  return (await isProcessAlive(pid, startTime)) ? { pid, startTime, argv } : undefined;
}

/** All GlusterFS processes that /proc shows. */
export async function listGlusterProcesses(): Promise<FoundProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map(inspectGlusterProcess));
  return found.filter((entry) => entry !== undefined);
}

/** True when `path` means the same directory to that process as to us: with hostPID, /proc shows other containers' too. */
export async function seesSameDirectory(pid: number, path: string): Promise<boolean> {
  try {
    const [ours, theirs] = await Promise.all([stat(path), stat(`/proc/${pid}/root${path}`)]);
    return ours.dev === theirs.dev && ours.ino === theirs.ino;
  } catch {
    return false;
  }
}
