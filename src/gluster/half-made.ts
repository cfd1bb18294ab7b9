import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../base/errors.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { Tree } from '../linux/tree.js';
import { idsToHeal } from './heal-info.js';

/** storage/posix gives an entry its id after it has made it; one without has never been anybody's. */
const ID_XATTR = 'trusted.gfid';
/** What is younger may be in the making just now. */
const OLD_MS = 10_000;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface HalfMadeOptions {
  readonly io: IoWorkers;
  /** Key of the io workers. */
  readonly key: string;
  /** The directories of all bricks of the pool that are on this machine. */
  readonly bricks: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Removes empty files and directories that a brick has made and given no id, because it was killed in between. GlusterFS
 * can neither show them (ENODATA) nor heal the directory that they are in, and no file of that name can be made any more.
 * Only directories that a brick waits to heal are looked at.
 * @returns the paths of what was removed
 */
export async function removeHalfMade({ io, key, bricks, now }: HalfMadeOptions): Promise<readonly string[]> {
  const ids = new Set((await Promise.all(bricks.map(idsToHeal))).flat().filter((id) => UUID.test(id)));
  const removed: string[] = [];
  if (ids.size === 0) return removed;
  for (const brick of bricks) {
    const tree = await Tree.open(io, key, brick);
    try {
      for (const id of ids) {
        const path = await directoryOf(brick, id);
        if (path === undefined) continue;
        for (const name of await removeIn(tree, path, now)) removed.push(join(brick, path, name));
      }
    } finally {
      await tree.close();
    }
  }
  return removed;
}

/** Where the directory with that id is, relative to the brick; undefined: there is none, or it is the root. */
async function directoryOf(brick: string, id: string): Promise<string | undefined> {
  const handle = join(brick, '.glusterfs', id.slice(0, 2), id.slice(2, 4), id);
  const [root, path] = await Promise.all([realpath(brick), unlessAbsent(realpath(handle))]);
  // The handle of a directory is a symbolic link to it, that of a file the file itself.
  if (path === undefined || !path.startsWith(`${root}/`) || path.startsWith(`${root}/.glusterfs/`)) return undefined;
  return path.slice(root.length + 1);
}

async function removeIn(tree: Tree, directory: string, now: number): Promise<string[]> {
  const removed: string[] = [];
  for (const { name, type } of (await tree.list(directory)) ?? []) {
    if (type !== 'file' && type !== 'directory') continue;
    const path = `${directory}/${name}`;
    const entry = await tree.stat(path);
    if (entry === undefined || now - entry.mtimeMs < OLD_MS || (type === 'file' && entry.size > 0n)) continue;
    if ((await unlessAbsent(tree.getXattr(path, ID_XATTR).then((id) => id ?? null))) !== null) continue;
    const isRemoved = type === 'file' ? await tree.unlink(path) : (await tree.rmdir(path)) === 'removed';
    if (isRemoved) removed.push(name);
  }
  return removed;
}

async function unlessAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
