import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isErrno } from '../base/errors.js';
import { machine } from '../linux/machine.js';
import { isProcessAlive, startTimeOf } from '../linux/process-info.js';

/** A log file beyond this size is emptied. */
const MAX_LOG_BYTES = 8 * 1024 * 1024;
const LOG_CHECK_MS = 60_000;

/** Makes a directory (and its parents) that only root may look into. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await machine.mkdir(path, { recursive: true, mode: 0o700 });
  await machine.chmod(path, 0o700);
}

/** What comes after a file's name while it is written: the process's pid and start time, and a number. */
const HALF = /^(\d+)-(\d+)-\d+\.tmp$/;
/** By this process, just now. */
const writing = new Set<string>();
let begun = 0;

/** Removes what processes that were killed have left of a file: it may hold a password. */
async function removeHalfWritten(path: string): Promise<void> {
  const start = `${basename(path)}.`;
  for (const name of await readdir(dirname(path))) {
    const match = name.startsWith(start) ? HALF.exec(name.slice(start.length)) : null;
    const half = join(dirname(path), name);
    if (match === null || writing.has(half)) continue;
    // Pids are used again: in a container by each process that comes after another one.
    const [, pid = '', startTime = ''] = match;
    if (pid !== String(process.pid) && (await isProcessAlive(Number(pid), startTime))) continue;
    await machine.rm(half, { force: true });
  }
}

/** Writes a file of mode 0600; a reader sees the old content or the new one. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await removeHalfWritten(path);
  const startTime = (await startTimeOf(process.pid)) ?? '0';
  const temporary = `${path}.${process.pid}-${startTime}-${++begun}.tmp`;
  writing.add(temporary);
  try {
    const file = await machine.open(temporary, 'wx', 0o600);
    try {
      await machine.write(file, text);
      await file.sync();
    } finally {
      await file.close();
    }
    await machine.rename(temporary, path);
  } finally {
    writing.delete(temporary);
  }
}

/** As `readTextFile`, when a process begins to use a file that it may never write: nobody else would remove the halves of it. */
export async function readOwnFile(path: string): Promise<string | undefined> {
  try {
    await removeHalfWritten(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  return readTextFile(path);
}

/** The content of a file; undefined when there is none. */
export async function readTextFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/**
 * Makes sure that a GlusterFS log is there with mode 0600 before glusterfs makes it for everyone to read: it holds the
 * volfile with the password, at every log level.
 * @returns its size, in bytes: where the next line will be
 */
export async function preparePrivateLog(path: string): Promise<number> {
  const file = await machine.open(path, 'a', 0o600);
  await file.close();
  await machine.chmod(path, 0o600);
  return trimLog(path);
}

/** GlusterFS appends (O_APPEND), so that it goes on at the start of a file that was emptied. */
async function trimLog(path: string): Promise<number> {
  const { size } = await stat(path);
  if (size <= MAX_LOG_BYTES) return size;
  await machine.truncate(path, 0);
  return 0;
}

/** Keeps the log of a running process from filling the disk. The result ends that. */
export function limitLog(path: string): () => void {
  // A log that cannot be looked at now can be in a minute.
  const timer = setInterval(() => void trimLog(path).catch(() => undefined), LOG_CHECK_MS).unref();
  return () => clearInterval(timer);
}
