import { realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../base/errors.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { Tree } from '../linux/tree.js';
import { idsToHeal } from './heal-info.js';

/** Counts the changes of a file's data and attributes; what bricks of a group have in common is of one version (ec-common.h). */
const VERSION_XATTR = 'trusted.ec.version';
/** The bricks get a new version one after the other, within milliseconds. */
const SECOND_LOOK_MS = 300;
/** So many files are not written to at a time; it would take long to look at them all. */
const MAX_LOOKS = 500;

export interface DisperseGroup {
  readonly io: IoWorkers;
  /** Key of the io workers. */
  readonly key: string;
  /** The directories of its bricks, on this machine. */
  readonly bricks: readonly string[];
}

/**
 * Entries of a disperse group that not all bricks have in the same version. Its index alone does not tell: every file is in it,
 * on all bricks, as long as somebody writes to it.
 */
export async function pendingDisperseHeals({ io, key, bricks }: DisperseGroup): Promise<number> {
  const ids = [...new Set((await Promise.all(bricks.map(idsToHeal))).flat())];
  if (ids.length === 0 || ids.length > MAX_LOOKS) return ids.length;
  const trees = await Promise.all(bricks.map((brick) => Tree.open(io, key, brick).catch(() => undefined)));
  try {
    const differing = (some: readonly string[]): Promise<string[]> => filterDiffering(trees, some);
    const suspected = await differing(ids);
    if (suspected.length === 0) return 0;
    await sleep(SECOND_LOOK_MS);
    return (await differing(suspected)).length;
  } finally {
    await Promise.all(trees.flatMap((tree) => (tree === undefined ? [] : [tree.close()])));
  }
}

async function filterDiffering(trees: readonly (Tree | undefined)[], ids: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const id of ids) {
    const versions = await Promise.all(trees.map((tree) => versionOf(tree, id)));
    if (new Set(versions).size > 1) found.push(id);
  }
  return found;
}

/** @returns undefined where the brick does not have it, or is not there itself */
async function versionOf(tree: Tree | undefined, id: string): Promise<string | undefined> {
  if (tree === undefined) return undefined;
  try {
    const root = await realpath(tree.root);
    // The handle of a directory is a symbolic link to it, that of a file the file itself.
    const path = await realpath(join(root, '.glusterfs', id.slice(0, 2), id.slice(2, 4), id));
    if (path !== root && !path.startsWith(`${root}/`)) return undefined;
    return (await tree.getXattr(relative(root, path), VERSION_XATTR))?.toString('hex') ?? '';
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  }
}
