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
import { mkdirs } from './names.js';

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

function writeTemporary(root: number, temporary: string, data: Uint8Array, lasts = true): void {
  withParent(root, temporary, (parent, name) => {
    withFd(createNew(parent, name, temporary), (fd) => {
      try {
        writeAll(fd, data, temporary);
        if (lasts) libc.fsync(fd, temporary);
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

/** Runs `work`, again with the directory made when that was missing. */
function withDirectory(root: number, directory: string, mode: number, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof SystemError && error.code === 'ENOENT')) throw error;
    mkdirs(root, directory, mode);
    syncDirectory(root, directory);
    work();
  }
}

/**
 * Makes a file that must not be there yet, mode 0600; false: it is there. By link(2), because GlusterFS' FUSE client
 * knows no RENAME_NOREPLACE (EINVAL).
 * @param parentMode makes the directories above it that are missing
 */
export function createFile(
  root: number,
  temporary: string,
  path: string,
  data: Uint8Array,
  parentMode?: number,
): boolean {
  writeTemporary(root, temporary, data);
  return withPlace(root, temporary, (from, source) => {
    const link = (): void => {
      withParent(root, path, (to, name) => {
        sys.linkat(from, source, to, name, path);
      });
    };
    try {
      if (parentMode === undefined) link();
      else withDirectory(root, splitPath(path).parent, parentMode, link);
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

/**
 * Makes a file or takes the place of the one that is there, mode 0600.
 * @param lasts false: a loss of power may leave the old file, the new one, or an empty one
 */
export function replaceFile(root: number, temporary: string, path: string, data: Uint8Array, lasts: boolean): void {
  writeTemporary(root, temporary, data, lasts);
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
  if (lasts) syncDirectory(root, path);
}
