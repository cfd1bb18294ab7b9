import { open, readFile } from 'node:fs/promises';
import { readMountinfo } from './mountinfo.js';

/** A lock that is held, not one that is waited for (proc_locks(5)). */
export interface HeldLock {
  readonly pid: number;
  /** `major:minor` of the file system, decimal as in mountinfo. */
  readonly dev: string;
  /** Inode number, decimal. */
  readonly inode: string;
}

const HELD = /^\d+: FLOCK +\S+ +WRITE +(\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) /;

/** The exclusive locks of flock(2) in /proc/locks. */
export function parseFlocks(text: string): HeldLock[] {
  return text.split('\n').flatMap((line) => {
    const [, pid, major, minor, inode] = HELD.exec(line) ?? [];
    if (pid === undefined || major === undefined || minor === undefined || inode === undefined) return [];
    const dev = `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}`;
    return [{ pid: Number(pid), dev, inode }];
  });
}

/**
 * The file system that an open file is on, as the kernel names it in its own tables: st_dev is another number on btrfs.
 */
async function deviceOf(fd: number): Promise<string | undefined> {
  const info = await readFile(`/proc/self/fdinfo/${fd}`, 'utf8');
  const mount = Number(/^mnt_id:\s*(\d+)$/m.exec(info)?.[1]);
  return (await readMountinfo()).find(({ id }) => id === mount)?.dev;
}

/**
 * The processes that hold an exclusive flock(2) on a file or directory of a local disk. The kernel shows those of this pid
 * namespace and below, whatever their mount namespace, and takes a lock back when its process is gone.
 * @throws Error ENOENT when there is no such file
 */
export async function flockHolders(path: string): Promise<number[]> {
  const file = await open(path, 'r');
  try {
    const { ino } = await file.stat({ bigint: true });
    const dev = await deviceOf(file.fd);
    const locks = parseFlocks(await readFile('/proc/locks', 'utf8'));
    return locks.filter((lock) => lock.inode === String(ino) && lock.dev === dev).map(({ pid }) => pid);
  } finally {
    await file.close();
  }
}
