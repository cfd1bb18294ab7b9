import type { About } from '../ffi.js';
import { SystemError } from '../../base/errors.js';
import {
  directoryBuffer,
  namedEntry,
  nameOf,
  pieces,
  readEntries,
  typeOf,
  type DirectoryEntry,
} from '../directory-reader.js';
import { DIRECTORY, openBeneathBytes, withFd } from '../handles.js';
import { Slice, type Budget } from '../slices.js';
import { statusOf, type EntryType } from '../stat.js';

/** A directory that is still to be read, or some of its entries. One byte per character (latin1): names need not be UTF-8. */
export interface WalkDirectory {
  readonly path: string;
  /** Names that are left; absent: all that it has. */
  readonly names?: readonly string[] | undefined;
}

/** Where a walk through a tree stands: what is still to be read, the last one next. It holds no descriptor. */
export type WalkPosition = readonly WalkDirectory[];

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

/** Visits the entries of one directory until the slice is over; its sub-directories and what is left of it go to `found`. */
function readDirectory(
  fd: number,
  { path, names }: WalkDirectory,
  walk: { readonly visitor: WalkVisitor; readonly slice: Slice; readonly dev: string; readonly found: WalkDirectory[] },
): void {
  const about = (): string => Buffer.from(path, 'latin1').toString('utf8');
  if (statusOf(fd, about).dev !== walk.dev) return;
  if (names === undefined) walk.visitor.directory(fd, about);
  const left: string[] = [];
  let isFirst = true;
  for (const entry of names?.map(namedEntry) ?? readEntries(fd, directoryBuffer(), about)) {
    const name = nameOf(entry);
    // One at least, or a small slice would come no further.
    if (!isFirst && walk.slice.exhausted) {
      left.push(name);
      continue;
    }
    isFirst = false;
    walk.slice.spend();
    unlessGone(() => {
      const type = typeOf(fd, entry, about);
      if (type === 'directory') walk.found.push({ path: path === '' ? name : path + SEPARATOR + name });
      else walk.visitor.entry(fd, entry, type, about);
    });
  }
  for (const piece of pieces(left)) walk.found.push({ path, names: piece });
}

/**
 * Visits a part of a tree, without following symlinks and without leaving its filesystem. The result is where to go on,
 * done when nothing is pending.
 */
export function walkSome(root: number, position: WalkPosition, budget: Budget, visitor: WalkVisitor): WalkPosition {
  const { dev } = statusOf(root, '');
  const slice = new Slice(budget);
  const pending = [...position];
  while (!slice.exhausted) {
    const directory = pending.pop();
    if (directory === undefined) break;
    slice.spend();
    const found: WalkDirectory[] = [];
    unlessGone(() => {
      withFd(openBeneathBytes(root, directory.path, DIRECTORY), (fd) => {
        readDirectory(fd, directory, { visitor, slice, dev, found });
      });
    });
    for (const one of found) pending.push(one);
  }
  return pending;
}
