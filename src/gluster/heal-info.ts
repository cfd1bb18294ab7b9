import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../base/errors.js';

/**
 * The gfids of entries that a brick knows to be incomplete elsewhere: everything in its index but the `xattrop-<uuid>` base file
 * that the entries are hard links of (features/index).
 */
export async function idsToHeal(brick: string): Promise<string[]> {
  try {
    const names = await readdir(join(brick, '.glusterfs/indices/xattrop'));
    return names.filter((name) => !name.startsWith('xattrop-'));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/** How many they are. */
export async function pendingHealsOf(brick: string): Promise<number> {
  return (await idsToHeal(brick)).length;
}
