import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm, stat, truncate } from 'node:fs/promises';
import { isErrno } from '../base/errors.js';

/** A log file beyond this size is emptied. */
const MAX_LOG_BYTES = 8 * 1024 * 1024;
const LOG_CHECK_MS = 60_000;

/** Makes a directory (and its parents) that only root may look into. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
}

/** Writes a file of mode 0600; a reader sees the old content or the new one. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
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
  const file = await open(path, 'a', 0o600);
  await file.close();
  await chmod(path, 0o600);
  return trimLog(path);
}

/** GlusterFS appends (O_APPEND), so that it goes on at the start of a file that was emptied. */
async function trimLog(path: string): Promise<number> {
  const { size } = await stat(path);
  if (size <= MAX_LOG_BYTES) return size;
  await truncate(path, 0);
  return 0;
}

/** Keeps the log of a running process from filling the disk. The result ends that. */
export function limitLog(path: string): () => void {
  // A log that cannot be looked at now can be in a minute.
  const timer = setInterval(() => void trimLog(path).catch(() => undefined), LOG_CHECK_MS).unref();
  return () => clearInterval(timer);
}
