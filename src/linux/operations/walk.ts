import type { About } from '../ffi.js';
import { SystemError } from '../../base/errors.js';
import { directoryBuffer, readEntries, typeOf, type DirectoryEntry } from '../directory-reader.js';
import { DIRECTORY, openBeneathBytes, withFd } from '../handles.js';
import * as libc from '../libc.js';
import { Slice, type Budget } from '../slices.js';
import { statusOf, type EntryType } from '../stat.js';

/** Where a walk through a tree stands. It holds no descriptor, so that a walk may be given up at any time. */
export interface WalkPosition {
  /** The directories still to read, one byte per character (latin1): names need not be UTF-8. The last one is next. */
  readonly pending: readonly string[];
  /** Where reading goes on in the next one (d_off); 0 at its start. */
  readonly offset: bigint;
}

export interface WalkVisitor {
  /** Called once for each directory, before its entries. */
  directory(fd: number, about: About): void;
  /** Called for each entry that is not a directory. */
  entry(directory: number, entry: DirectoryEntry, type: EntryType, about: About): void;
}

const SEPARATOR = '/';

function isGone(error: unknown): boolean {
  // EXDEV: another filesystem is mounted there. ENAMETOOLONG: deeper than a path can say.
  return error instanceof SystemError && ['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV', 'ENAMETOOLONG'].includes(error.code);
}

/** Skips what vanishes while it is looked at, and what is no part of the tree. */
function unlessGone<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Reads one directory from `offset` on; its sub-directories go to `found`. The offset to go on at; undefined: read. */
function readDirectory(
  fd: number,
  path: string,
  offset: bigint,
  walk: { readonly visitor: WalkVisitor; readonly slice: Slice; readonly dev: string; readonly found: string[] },
): bigint | undefined {
  const about = (): string => Buffer.from(path, 'latin1').toString('utf8');
  if (statusOf(fd, about).dev !== walk.dev) return undefined;
  if (offset === 0n) walk.visitor.directory(fd, about);
  else libc.seek(fd, offset, about);
  for (const entry of readEntries(fd, directoryBuffer(), about)) {
    walk.slice.spend();
    unlessGone(() => {
      const type = typeOf(fd, entry, about);
      if (type === 'directory') {
        const name = Buffer.from(entry.bytes.subarray(0, -1)).toString('latin1');
        walk.found.push(path === '' ? name : path + SEPARATOR + name);
      } else walk.visitor.entry(fd, entry, type, about);
    });
    if (walk.slice.exhausted) return entry.next;
  }
  return undefined;
}

/**
 * Visits a part of a tree, without following symlinks and without leaving its filesystem. The result is where to go on,
 * done when nothing is pending.
 */
export function walkSome(root: number, position: WalkPosition, budget: Budget, visitor: WalkVisitor): WalkPosition {
  const { dev } = statusOf(root, '');
  const slice = new Slice(budget);
  const pending = [...position.pending];
  let { offset } = position;
  while (!slice.exhausted) {
    const path = pending.pop();
    if (path === undefined) break;
    slice.spend();
    const found: string[] = [];
    const next = unlessGone(() =>
      withFd(openBeneathBytes(root, path, DIRECTORY), (fd) =>
        readDirectory(fd, path, offset, { visitor, slice, dev, found }),
      ),
    );
    for (const directory of found) pending.push(directory);
    if (next !== undefined) return { pending: [...pending, path], offset: next };
    offset = 0n;
  }
  return { pending, offset: 0n };
}
