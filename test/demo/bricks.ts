import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findProcesses, type RunningProcess } from '../lib/leftovers.js';

/** The glusterfsd that serves a brick. */
export async function brickProcess(brick: string): Promise<RunningProcess | undefined> {
  const found = await findProcesses((command) => command.includes('glusterfsd') && command.includes(brick));
  return found[0];
}

/**
 * What GlusterFS has noted for healing: an entry per file in the index of each brick (the base entries `xattrop-*` are
 * always there).
 */
export async function pendingHeals(bricks: readonly string[]): Promise<number> {
  const lists = await Promise.all(bricks.map((brick) => readdir(join(brick, '.glusterfs/indices/xattrop'))));
  return lists.flat().filter((name) => !name.startsWith('xattrop-')).length;
}

/** Every file or directory of that name on a brick, outside of GlusterFS' own directory. */
export async function findOnBrick(brick: string, name: string): Promise<readonly string[]> {
  const entries = await readdir(brick, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.name === name && !entry.parentPath.startsWith(join(brick, '.glusterfs')))
    .map((entry) => join(entry.parentPath, entry.name));
}

export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
