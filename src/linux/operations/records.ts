/*
 * Files that other processes only ever see whole: written aside, synced, then given their name in one step. A kill -9 or
 * a loss of power between any two of these calls leaves the old file or the new one, and perhaps a stale temporary.
 */
import { SystemError } from '../../base/errors.js';
import { CREATE, DIRECTORY, openBeneath, withFd, withParent } from '../handles.js';
import * as libc from '../libc.js';
import { splitPath } from '../paths.js';
import { sys } from '../sys.js';
import { unlinkQuietly, withPlace } from './moves.js';

function writeAll(fd: number, data: Uint8Array, about: string): void {
  let written = 0;
  while (written < data.length) written += sys.write(fd, data.subarray(written), about);
}

function createNew(parent: number, name: string, about: string): number {
  try {
    return sys.create(parent, name, CREATE, about);
  } catch (error) {
    if (!(error instanceof SystemError && error.code === 'EEXIST')) throw error;
  }
  // Left by a process that was killed. Truncating it instead could hit the final file: between link and unlink both
  // names are one file.
  sys.unlinkat(parent, name, 0, about);
  return sys.create(parent, name, CREATE, about);
}

function writeTemporary(root: number, temporary: string, data: Uint8Array): void {
  withParent(root, temporary, (parent, name) => {
    withFd(createNew(parent, name, temporary), (fd) => {
      try {
        writeAll(fd, data, temporary);
        libc.fsync(fd, temporary);
      } catch (error) {
        unlinkQuietly(parent, name);
        throw error;
      }
    });
  });
}

/** Makes the names of a directory last (fsync(2): syncing a file does not sync the directory that names it). */
function syncDirectory(root: number, path: string): void {
  const { parent } = splitPath(path);
  withFd(openBeneath(root, parent, DIRECTORY), (fd) => {
    libc.fsync(fd, parent);
  });
}

/**
 * Makes a file that must not be there yet, mode 0600; false: it is there. By link(2), because GlusterFS' FUSE client
 * knows no RENAME_NOREPLACE (EINVAL).
 */
export function createFile(root: number, temporary: string, path: string, data: Uint8Array): boolean {
  writeTemporary(root, temporary, data);
  return withPlace(root, temporary, (from, source) => {
    try {
      withParent(root, path, (to, name) => {
        sys.linkat(from, source, to, name, path);
      });
    } catch (error) {
      unlinkQuietly(from, source);
      if (error instanceof SystemError && error.code === 'EEXIST') return false;
      throw error;
    }
    unlinkQuietly(from, source);
    syncDirectory(root, path);
    return true;
  });
}

/** Makes a file or takes the place of the one that is there, mode 0600. */
export function replaceFile(root: number, temporary: string, path: string, data: Uint8Array): void {
  writeTemporary(root, temporary, data);
  withPlace(root, temporary, (from, source) => {
    try {
      withParent(root, path, (to, name) => {
        sys.renameat(from, source, to, name, path);
      });
    } catch (error) {
      unlinkQuietly(from, source);
      throw error;
    }
  });
  syncDirectory(root, path);
}
