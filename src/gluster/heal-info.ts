import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../base/errors.js';

/**
 * Entries that a brick knows to be incomplete elsewhere: everything in its index but the `xattrop-<uuid>` base file that
 * the entries are hard links of (features/index).
 */
export async function pendingHealsOf(brick: string): Promise<number> {
  try {
    const names = await readdir(join(brick, '.glusterfs/indices/xattrop'));
    return names.filter((name) => !name.startsWith('xattrop-')).length;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 0;
    throw error;
  }
}
