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

async function indexEntries(brick: string, index: string): Promise<number> {
  // The base entry, `xattrop-<uuid>` or `dirty-<uuid>`, is always there; the others are links to it.
  const names = await readdir(join(brick, '.glusterfs/indices', index));
  return names.filter((name) => !name.startsWith(`${index}-`)).length;
}

/**
 * What GlusterFS has noted for healing: the entries in the indices of all bricks. A file that is being written stands in
 * `dirty`; only a second after the last write (AFR's post-op-delay-secs) does it move to `xattrop`.
 */
export async function pendingHeals(bricks: readonly string[]): Promise<number> {
  const counts = await Promise.all(
    bricks.flatMap((brick) => ['xattrop', 'dirty'].map((index) => indexEntries(brick, index))),
  );
  return counts.reduce((sum, count) => sum + count, 0);
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
