import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { isProcessAlive, startTimeOf } from '../../../src/linux/process-info.js';
import { waitFor } from '../../lib/wait.js';

/** A program that runs on, also after this process when the cluster is kept; named by what lasts. */
export interface Daemon {
  readonly pid: number;
  readonly startTime: string;
}

export interface DaemonOptions {
  readonly program: string;
  readonly args: readonly string[];
  /** Appended to. */
  readonly log: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** @throws Error when it cannot be started, or ends at once */
export async function startDaemon({ program, args, log, env }: DaemonOptions): Promise<Daemon> {
  const output = await open(log, 'a');
  try {
    const child = spawn(program, args, {
      stdio: ['ignore', output.fd, output.fd],
      detached: true,
      env: env ?? process.env,
    });
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('spawn', () => resolve(child.pid ?? 0));
    });
    child.unref();
    const startTime = await startTimeOf(pid);
    if (startTime === undefined) throw new Error(`${program} ended at once: ${await readFile(log, 'utf8')}`);
    return { pid, startTime };
  } finally {
    await output.close();
  }
}

export function isRunning({ pid, startTime }: Daemon): Promise<boolean> {
  return isProcessAlive(pid, startTime);
}

/** Ends it, with SIGKILL after `graceMs`. */
export async function stopDaemon(daemon: Daemon, graceMs = 10_000): Promise<void> {
  const isGone = async (): Promise<true | undefined> => ((await isRunning(daemon)) ? undefined : true);
  for (const [signal, timeoutMs] of [
    ['SIGTERM', graceMs],
    ['SIGKILL', 30_000],
  ] as const) {
    if (!(await isRunning(daemon))) return;
    try {
      process.kill(daemon.pid, signal);
    } catch {
      return; // It ended by itself.
    }
    const ended = await waitFor(`process ${daemon.pid} to end`, isGone, { timeoutMs }).catch((error: unknown) => {
      if (signal === 'SIGKILL') throw error;
    });
    if (ended === true) return;
  }
}

/** The processes that it has started itself and that still run. */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}
