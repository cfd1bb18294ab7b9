import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isErrno } from '../base/errors.js';

/**
 * A path as mountinfo will show what is mounted below it: without symlinks (kubelet's directory often is one). What does
 * not exist yet cannot be one. Synchronous: for the start of the process.
 */
export function realDirectory(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT') || path === dirname(path)) throw error;
    return join(realDirectory(dirname(path)), basename(path));
  }
}
