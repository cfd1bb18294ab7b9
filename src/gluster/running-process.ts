import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno, unavailable } from '../base/errors.js';
import { machine } from '../linux/machine.js';
import { isProcessAlive, startTimeOf } from '../linux/process-info.js';

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
      machine.kill(this.pid, signal);
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
