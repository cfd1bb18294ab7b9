/*
 * Removing a directory with all that is in it, while somebody may still be renaming things and planting symlinks there.
 * Everything is done by descriptors of directories that were opened without following symlinks, so that a name can only
 * ever mean an entry of the directory it was read from.
 */
import { randomBytes } from 'node:crypto';
import { SystemError } from '../../base/errors.js';
import { directoryBuffer, readEntries, textOf, type DirectoryEntry } from '../directory-reader.js';
import { DIRECTORY, openBeneath, openName, withFd, withParent } from '../handles.js';
import { AT_REMOVEDIR } from '../constants.js';
import * as libc from '../libc.js';
import { Slice, type Budget } from '../slices.js';
import { sys } from '../sys.js';

export interface RemovedSlice {
  readonly done: boolean;
  /** Entries that are gone, or were moved up on the way; 0 with `done` false when others keep adding some. */
  readonly removed: number;
}

/** Directories deeper than this are moved up first: each level takes a descriptor, and a tenant may nest without end. */
const MAX_DEPTH = 32;

function codeOf(error: unknown): string {
  if (error instanceof SystemError) return error.code;
  throw error;
}

class Removal {
  readonly #slice: Slice;
  readonly #top: number;
  /** A directory's buffer is in use while those below it are emptied. */
  readonly #buffers: Buffer[] = [];
  removed = 0;
  /** The first entry that could not be removed; the others still are. */
  failure: SystemError | undefined;

  constructor(top: number, budget: Budget) {
    this.#top = top;
    this.#slice = new Slice(budget);
  }

  /** Runs a removal; false when it failed, for any reason but that the entry was gone already. */
  #attempt(work: () => void): boolean {
    try {
      work();
      this.removed++;
      return true;
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT') return true;
      // ENOTEMPTY: somebody adds entries, or what is in there failed for a reason that is kept already.
      if (error instanceof SystemError && code !== 'ENOTEMPTY') this.failure ??= error;
      return false;
    }
  }

  #removeDirectory(parent: number, entry: DirectoryEntry, depth: number, about: () => string): boolean {
    if (depth >= MAX_DEPTH) {
      const name = randomBytes(12).toString('hex');
      this.#attempt(() => {
        sys.renameat(parent, entry.bytes, this.#top, name, about);
      });
      return false;
    }
    let directory: number;
    try {
      directory = openName(parent, entry.bytes, DIRECTORY, about);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT') return true;
      // Somebody put something else in its place: the next look at the directory finds it.
      if (code !== 'ENOTDIR' && code !== 'ELOOP') this.failure ??= error as SystemError;
      return false;
    }
    const empty = withFd(directory, (fd) => this.empty(fd, depth, about));
    if (!empty) return false;
    return this.#attempt(() => {
      sys.unlinkat(parent, entry.bytes, AT_REMOVEDIR, about);
    });
  }

  #removeEntry(directory: number, entry: DirectoryEntry, depth: number, path: () => string): boolean {
    const about = (): string => `${path()}/${textOf(entry)}`;
    if (entry.type === 'directory') return this.#removeDirectory(directory, entry, depth + 1, about);
    try {
      sys.unlinkat(directory, entry.bytes, 0, about);
      this.removed++;
      return true;
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT') return true;
      if (code === 'EISDIR') return this.#removeDirectory(directory, entry, depth + 1, about);
      this.failure ??= error as SystemError;
      return false;
    }
  }

  /** Removes the entries of a directory; true when all that it saw are gone. */
  empty(directory: number, depth: number, about: () => string): boolean {
    const buffer = (this.#buffers[depth] ??= directoryBuffer());
    for (;;) {
      const before = this.removed;
      let all = true;
      for (const entry of readEntries(directory, buffer, about)) {
        this.#slice.spend();
        if (!this.#removeEntry(directory, entry, depth, about)) all = false;
        if (this.#slice.exhausted) return false;
      }
      // What is removed while a directory is read may make the reader skip entries: look again until nothing changes.
      if (this.removed === before) return all;
      libc.seek(directory, 0n, about);
    }
  }
}

function removeFile(parent: number, name: string, path: string): RemovedSlice {
  try {
    sys.unlinkat(parent, name, 0, path);
    return { done: true, removed: 1 };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { done: true, removed: 0 };
    throw error;
  }
}

function removeFrom(parent: number, name: string, path: string, budget: Budget): RemovedSlice {
  let top: number;
  try {
    top = openBeneath(parent, name, DIRECTORY);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return { done: true, removed: 0 };
    if (code === 'ENOTDIR' || code === 'ELOOP') return removeFile(parent, name, path);
    throw error;
  }
  return withFd(top, (fd) => {
    const removal = new Removal(fd, budget);
    if (removal.empty(fd, 0, () => path)) {
      try {
        sys.unlinkat(parent, name, AT_REMOVEDIR, path);
        return { done: true, removed: removal.removed + 1 };
      } catch (error) {
        const code = codeOf(error);
        if (code === 'ENOENT') return { done: true, removed: removal.removed };
        if (code !== 'ENOTEMPTY') throw error;
      }
    }
    if (removal.removed === 0 && removal.failure !== undefined) throw removal.failure;
    return { done: false, removed: removal.removed };
  });
}

/**
 * Removes `path` and, when it is a directory, what is in it, up to the budget. An entry that cannot be removed (immutable,
 * a mount point) does not keep the others.
 * @throws SystemError of such an entry, once nothing else is left to remove
 */
export function removeSome(root: number, path: string, budget: Budget): RemovedSlice {
  try {
    return withParent(root, path, (parent, name) => removeFrom(parent, name, path, budget));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { done: true, removed: 0 };
    throw error;
  }
}
