import { machine } from '../linux/machine.js';
import { readTextFile, writePrivateFile } from './private-files.js';
import type { ProcessId } from './running-process.js';

/** What a pid file says: which process, and a digest of what it was started with. */
export interface PidRecord extends ProcessId {
  readonly digest?: string | undefined;
}

/** undefined when there is no pid file, or nothing useful in it. */
export async function readPidFile(path: string): Promise<PidRecord | undefined> {
  const text = await readTextFile(path);
  if (text === undefined) return undefined;
  try {
    const { pid, startTime, digest } = JSON.parse(text) as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof startTime !== 'string') return undefined;
    return { pid, startTime, ...(typeof digest === 'string' ? { digest } : {}) };
  } catch {
    return undefined;
  }
}

export async function writePidFile(path: string, { pid, startTime, digest }: PidRecord): Promise<void> {
  await writePrivateFile(path, `${JSON.stringify({ pid, startTime, digest })}\n`);
}

export async function removePidFile(path: string): Promise<void> {
  await machine.rm(path, { force: true });
}
