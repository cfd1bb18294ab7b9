import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../base/errors.js';
import { COPY_RECORD, parseCopyRecord, type CopyRecord } from '../../hybrid/copy-record.js';
import { abandonedPath, copyPlace } from '../../hybrid/places.js';
import { readTextFile } from '../../gluster/private-files.js';

export interface LeftCopy {
  readonly place: string;
  readonly copy: CopyRecord;
}

async function names(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/**
 * The copies that are complete, as a former process left them; those of readers are not among them. On a node that never had
 * a hybrid volume nothing is made.
 */
export async function leftCopies(directory: string): Promise<LeftCopy[]> {
  const found: LeftCopy[] = [];
  for (const pool of await names(directory)) {
    for (const id of await names(join(directory, pool))) {
      const place = copyPlace(pool, id);
      const text = await readTextFile(join(directory, place, COPY_RECORD));
      const copy = text === undefined ? undefined : parseCopyRecord(text);
      if (copy !== undefined) found.push({ place, copy });
    }
  }
  return found;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** Whether a volume was ever staged on this node as a hybrid one. */
export function hasPlace(directory: string, place: string): Promise<boolean> {
  return isThere(join(directory, place));
}

/** Whether somebody gave up what of a copy is not in the pool. */
export function isAbandoned(directory: string, place: string): Promise<boolean> {
  return isThere(abandonedPath(directory, place));
}
