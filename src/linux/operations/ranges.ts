/*
 * Pieces of files: from one file to another at other offsets, and holes.
 */
import { SystemError } from '../../base/errors.js';
import { DIRECTORY, openBeneath, READ, withFd, withParent, CREATE } from '../handles.js';
import { O_WRONLY } from '../constants.js';
import * as libc from '../libc.js';
import { splitPath } from '../paths.js';
import { sys } from '../sys.js';
import { withPlace } from './moves.js';

/** A piece of one file that becomes a piece of another; bytes. */
export interface CopiedRange {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

const CHUNK = 1024 * 1024;
/** linux/falloc.h: FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE */
const PUNCH_HOLE = 0x01 | 0x02;
/** One per thread. */
let buffer: Uint8Array | undefined;

/**
 * Copies pieces of the file `source`, in the tree of `other`, into the file `target`, whose size grows where it has to.
 * @throws SystemError EIO when the source ends before a piece does
 */
export function copyRanges(
  root: number,
  other: number,
  files: { readonly target: string; readonly source: string },
  ranges: readonly CopiedRange[],
): void {
  const { source, target } = files;
  const chunk = (buffer ??= new Uint8Array(CHUNK));
  withFd(openBeneath(other, source, READ), (input) => {
    withFd(openBeneath(root, target, O_WRONLY), (output) => {
      for (const { from, to, length } of ranges) {
        libc.seek(input, BigInt(from), source);
        libc.seek(output, BigInt(to), target);
        for (let left = length; left > 0;) {
          const count = libc.read(input, chunk.subarray(0, Math.min(left, CHUNK)), source);
          if (count === 0) throw new SystemError('EIO', 'read', source);
          for (let written = 0; written < count;) {
            written += sys.write(output, chunk.subarray(written, count), target);
          }
          left -= count;
        }
      }
    });
  });
}

/** As `copyRanges`, in the name of the tree that is copied from: whoever waits, waits for that one. */
export function copyRangesTo(
  root: number,
  other: number,
  files: { readonly target: string; readonly source: string },
  ranges: readonly CopiedRange[],
): void {
  copyRanges(other, root, files, ranges);
}

/** Makes pieces of a file holes, which read as zeros; its size stays. */
export function punchRanges(
  root: number,
  path: string,
  ranges: readonly { readonly offset: number; readonly length: number }[],
): void {
  withFd(openBeneath(root, path, O_WRONLY), (fd) => {
    for (const range of ranges) sys.fallocate(fd, PUNCH_HOLE, range, path);
  });
}

/** Begins a file anew with this content; one that is there is replaced. */
export function startFile(root: number, path: string, data: Uint8Array): void {
  withParent(root, path, (parent, name) => {
    try {
      sys.unlinkat(parent, name, 0, path);
    } catch (error) {
      if (!(error instanceof SystemError && error.code === 'ENOENT')) throw error;
    }
    withFd(sys.create(parent, name, CREATE, path), (fd) => {
      for (let written = 0; written < data.length; written += sys.write(fd, data.subarray(written), path));
    });
  });
}

/** Gives a complete file its name: it, and then the name, are written down before this returns. */
export function publishFile(root: number, temporary: string, path: string): void {
  withFd(openBeneath(root, temporary, O_WRONLY), (fd) => {
    libc.fsync(fd, temporary);
  });
  withPlace(root, temporary, (from, source) => {
    withPlace(root, path, (to, name) => {
      sys.renameat(from, source, to, name, path);
    });
  });
  const { parent } = splitPath(path);
  withFd(openBeneath(root, parent, DIRECTORY), (fd) => {
    libc.fsync(fd, parent);
  });
}
