/*
 * Copying a tree, in slices. The source may be in use: whatever vanishes while it is looked at is left out, as if it had gone
 * before; a file that is written meanwhile is copied again. The target is a directory that nobody else can reach.
 *
 * A directory gets its attributes when all its entries are made; files that are copied later have their entry by then, and
 * what adds names later (hard links) puts its times right again.
 */
import { SystemError } from '../../base/errors.js';
import { directoryBuffer, readEntries, textOf, typeOf, type DirectoryEntry } from '../directory-reader.js';
import {
  CREATE,
  DIRECTORY,
  DIRECTORY_PATH,
  openBeneath,
  openBeneathBytes,
  openName,
  READ,
  withFd,
} from '../handles.js';
import { O_WRONLY } from '../constants.js';
import * as libc from '../libc.js';
import { Slice, type Budget } from '../slices.js';
import { fullStatusOf, fullStatusOfName, statusOf, type FullStatus } from '../stat.js';
import { sys } from '../sys.js';
import { copyAttributes, timesOf } from './copy-attributes.js';
import { copyData, tryClone, type CopyMeans } from './copy-data.js';

/** Both relative to the roots of their trees. */
export interface CopyPlace {
  readonly source: string;
  readonly target: string;
  readonly means: CopyMeans;
}

/** A directory that is to be read from `offset` (d_off) on. Paths are below the place, one byte per character (latin1). */
export interface DirectoryWork {
  readonly path: string;
  readonly offset: bigint;
}

/** A file to be copied from `offset` on. */
export interface FileWork {
  readonly path: string;
  readonly offset: number;
  /** Times that it was found to have changed while it was copied. */
  readonly changes: number;
  /** What the source was when the copy of this file began; absent before that. */
  readonly version?: string | undefined;
  /** Its name in the target is not there yet: one of the names of a file that has several. */
  readonly unnamed: boolean;
}

/** One of several names of a file. */
export interface LinkedName {
  readonly path: string;
  readonly ino: bigint;
  readonly links: number;
}

export interface CopySlice {
  readonly directories: readonly DirectoryWork[];
  readonly files: readonly FileWork[];
  readonly linked: readonly LinkedName[];
  readonly entries: number;
  /** Bytes that were written, in whole blocks, and blocks of directories and the like. */
  readonly written: number;
  /** Bytes of blocks that are shared with the source. */
  readonly cloned: number;
  /** Files that kept changing, whose copy may be of no one moment. */
  readonly changed: number;
  /** Xattrs that the target's filesystem refuses to hold. */
  readonly lost: number;
  /** Files that vanished after their copy had begun. */
  readonly vanished: number;
}

const BLOCK = 4096;
/** Files up to this size are copied as they are found; larger ones by themselves, several at a time. */
const SMALL = 1024 * 1024;
/** How often a file that changes while it is copied is copied again. */
const MAX_CHANGES = 3;

const blocks = (bytes: number): number => Math.ceil(bytes / BLOCK) * BLOCK;
const latin1 = (entry: DirectoryEntry): string => Buffer.from(entry.bytes.subarray(0, -1)).toString('latin1');
const textOfPath = (path: string): string => Buffer.from(path, 'latin1').toString('utf8');

/** Not there (any more), or something else is in its place. */
function unlessGone<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof SystemError && ['ENOENT', 'ENOTDIR', 'ELOOP', 'ESTALE', 'ENXIO'].includes(error.code)) {
      return undefined;
    }
    throw error;
  }
}

/** False when the name is there: the source was read twice, as it may be when entries are renamed meanwhile. */
function unlessThere(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.code === 'EEXIST') return false;
    throw error;
  }
}

function versionOf({ size, mtime, ctime, ino }: FullStatus): string {
  return `${ino}/${size}/${mtime}/${ctime}`;
}

function splitBytes(path: string): { readonly parent: string; readonly name: Uint8Array } {
  const slash = path.lastIndexOf('/');
  return { parent: slash < 0 ? '' : path.slice(0, slash), name: Buffer.from(`${path.slice(slash + 1)}\0`, 'latin1') };
}

class Copier {
  readonly #source: number;
  readonly #target: number;
  readonly #means: CopyMeans;
  readonly #slice: Slice;
  readonly #dev: string;
  readonly directories: DirectoryWork[] = [];
  readonly files: FileWork[] = [];
  readonly linked: LinkedName[] = [];
  entries = 0;
  written = 0;
  cloned = 0;
  changed = 0;
  lost = 0;
  vanished = 0;

  constructor(source: number, target: number, means: CopyMeans, slice: Slice) {
    this.#source = source;
    this.#target = target;
    this.#means = means;
    this.#slice = slice;
    this.#dev = statusOf(source, 'source').dev;
  }

  result(): CopySlice {
    const { directories, files, linked, entries, written, cloned, changed, lost, vanished } = this;
    return { directories, files, linked, entries, written, cloned, changed, lost, vanished };
  }

  /** Copies the entries of directories until the slice is over; what is left is put back. */
  copyDirectories(work: readonly DirectoryWork[]): void {
    for (const [index, directory] of work.entries()) {
      if (this.#slice.exhausted) {
        this.directories.push(...work.slice(index));
        return;
      }
      unlessGone(() =>
        withFd(openBeneathBytes(this.#source, directory.path, DIRECTORY), (source) =>
          withFd(openBeneathBytes(this.#target, directory.path, DIRECTORY), (target) => {
            this.#copyEntries(source, target, directory);
          }),
        ),
      );
    }
  }

  #copyEntries(source: number, target: number, { path, offset }: DirectoryWork): void {
    const about = (): string => textOfPath(path);
    if (offset > 0n) libc.seek(source, offset, about);
    for (const entry of readEntries(source, directoryBuffer(), about)) {
      this.#slice.spend();
      const entryAbout = (): string => `${about()}/${textOf(entry)}`;
      const below = path === '' ? latin1(entry) : `${path}/${latin1(entry)}`;
      unlessGone(() => {
        this.#copyEntry(source, target, entry, below, entryAbout);
      });
      if (this.#slice.exhausted) {
        this.directories.push({ path, offset: entry.next });
        return;
      }
    }
    this.lost += copyAttributes(source, target, fullStatusOf(source, about), about);
  }

  #copyEntry(source: number, target: number, entry: DirectoryEntry, path: string, about: () => string): void {
    const type = typeOf(source, entry, about);
    this.entries++;
    if (type === 'file') this.#copyFileEntry(source, target, entry, path, about);
    else if (type === 'directory') this.#makeDirectory(source, target, entry, path, about);
    else this.#makeSpecial(source, target, entry, about);
  }

  #makeDirectory(source: number, target: number, entry: DirectoryEntry, path: string, about: () => string): void {
    const { dev } = withFd(openName(source, entry.bytes, DIRECTORY_PATH, about), (fd) => statusOf(fd, about));
    // A copy without what is mounted there would look complete.
    if (dev !== this.#dev) throw new SystemError('EXDEV', 'copy', about());
    const made = unlessThere(() => {
      sys.mkdirat(target, entry.bytes, 0o700, about);
    });
    if (!made) return;
    this.written += BLOCK;
    this.directories.push({ path, offset: 0n });
  }

  /** Symlinks, FIFOs, sockets and device nodes. */
  #makeSpecial(source: number, target: number, entry: DirectoryEntry, about: () => string): void {
    const name = entry.bytes;
    const status = fullStatusOfName(source, name, about);
    if (status.type === 'file' || status.type === 'directory') return;
    const made = unlessThere(() => {
      if (status.type === 'symlink') {
        const link = Buffer.alloc(4097);
        // The rest of the buffer is zero: the target ends with a NUL.
        libc.readlinkat(source, name, link.subarray(0, 4096), about);
        sys.symlinkat(link, target, name, about);
      } else sys.mknodat(target, name, status.format | 0o600, status.device, about);
    });
    if (!made) return;
    sys.fchownat(target, name, status.uid, status.gid, about);
    if (status.type !== 'symlink') sys.fchmodat(target, name, status.mode, about);
    sys.utimensat(target, name, timesOf(status), about);
    this.written += BLOCK;
  }

  #copyFileEntry(source: number, target: number, entry: DirectoryEntry, path: string, about: () => string): void {
    withFd(openName(source, entry.bytes, READ, about), (input) => {
      const status = fullStatusOf(input, about);
      if (status.type !== 'file') return;
      if (status.links > 1) {
        this.linked.push({ path, ino: status.ino, links: status.links });
        return;
      }
      let output: number;
      try {
        output = sys.create(target, entry.bytes, { ...CREATE, mode: status.mode }, about);
      } catch (error) {
        if (error instanceof SystemError && error.code === 'EEXIST') return;
        throw error;
      }
      const work: FileWork = { path, offset: 0, changes: 0, unnamed: false };
      withFd(output, (fd) => {
        if (status.size > SMALL && !this.#means.clone) this.files.push(work);
        else this.#copyContent(input, fd, status, work, about);
      });
    });
  }

  /** Copies a file by itself, as far as the slice goes. */
  copyFile(work: FileWork): void {
    const about = (): string => textOfPath(work.path);
    const copied = unlessGone(() => {
      withFd(openBeneathBytes(this.#source, work.path, READ), (input) => {
        const status = fullStatusOf(input, about);
        if (status.type !== 'file') throw new SystemError('ENOENT', 'copy', about());
        withFd(this.#openTarget(work), (output) => {
          this.#copyContent(input, output, status, work, about);
        });
      });
      if (work.unnamed) this.#restoreTimes(splitBytes(work.path).parent);
      return true;
    });
    if (copied !== true) this.#vanish(work);
  }

  #openTarget(work: FileWork): number {
    if (!work.unnamed) return openBeneathBytes(this.#target, work.path, O_WRONLY);
    const about = (): string => textOfPath(work.path);
    const { parent, name } = splitBytes(work.path);
    return withFd(openBeneathBytes(this.#target, parent, DIRECTORY), (directory) =>
      sys.create(directory, name, CREATE, about),
    );
  }

  /** The name goes as if it had been gone before; of a file with several names another one is taken. */
  #vanish(work: FileWork): void {
    this.vanished++;
    const { parent, name } = splitBytes(work.path);
    unlessGone(() => {
      withFd(openBeneathBytes(this.#target, parent, DIRECTORY), (directory) => {
        sys.unlinkat(directory, name, 0, () => textOfPath(work.path));
      });
      this.#restoreTimes(parent);
    });
  }

  #copyContent(input: number, output: number, status: FullStatus, work: FileWork, about: () => string): void {
    const size = Number(status.size);
    const version = work.version ?? versionOf(status);
    if (work.offset === 0 && this.#means.clone && size > 0 && tryClone(input, output, about)) {
      this.cloned += blocks(size);
      this.#finishFile(input, output, status, about);
      return;
    }
    const { written, reached, next } = copyData(
      input,
      output,
      { offset: work.offset, end: size, sparse: status.allocated < status.size },
      { means: this.#means, slice: this.#slice, about },
    );
    this.written += blocks(written);
    if (next !== undefined) {
      this.files.push({ ...work, offset: next, version, unnamed: false });
      return;
    }
    const isSame = versionOf(fullStatusOf(input, about)) === version;
    if (!isSame) {
      if (work.changes < MAX_CHANGES) {
        sys.ftruncate(output, 0, about);
        this.files.push({ path: work.path, offset: 0, changes: work.changes + 1, unnamed: false });
        return;
      }
      this.changed++;
    }
    if (reached !== size || !isSame) sys.ftruncate(output, size, about);
    this.#finishFile(input, output, status, about);
  }

  #finishFile(input: number, output: number, status: FullStatus, about: () => string): void {
    this.lost += copyAttributes(input, output, status, about);
    if (this.#means.syncFiles && status.size > SMALL) libc.fsync(output, about);
  }

  /** Gives a file that is copied already its other names. */
  link(from: string, names: readonly string[]): void {
    const source = splitBytes(from);
    withFd(openBeneathBytes(this.#target, source.parent, DIRECTORY), (first) => {
      for (const path of names) {
        const { parent, name } = splitBytes(path);
        const linked = unlessGone(() =>
          withFd(openBeneathBytes(this.#target, parent, DIRECTORY), (directory) =>
            unlessThere(() => {
              sys.linkat(first, source.name, directory, name, () => textOfPath(path));
            }),
          ),
        );
        if (linked === true) this.#restoreTimes(parent);
      }
    });
  }

  /** Of the directory as it is in the source now; where that is gone they stay as they are. */
  #restoreTimes(path: string): void {
    const about = (): string => textOfPath(path);
    unlessGone(() =>
      withFd(openBeneathBytes(this.#source, path, DIRECTORY), (source) =>
        withFd(openBeneathBytes(this.#target, path, DIRECTORY), (target) => {
          sys.futimens(target, timesOf(fullStatusOf(source, about)), about);
        }),
      ),
    );
  }
}

function withCopier(
  roots: { readonly target: number; readonly source: number },
  place: CopyPlace,
  budget: Budget,
  work: (copier: Copier) => void,
): CopySlice {
  return withFd(openBeneath(roots.source, place.source, DIRECTORY), (source) =>
    withFd(openBeneath(roots.target, place.target, DIRECTORY), (target) => {
      const copier = new Copier(source, target, place.means, new Slice(budget));
      work(copier);
      return copier.result();
    }),
  );
}

/**
 * Copies the entries of some directories, whose own are in the target already.
 * @throws SystemError ENOENT when the source or the target as a whole is not there; ENAMETOOLONG for a tree that is
 *   deeper than a path can say; EXDEV when something is mounted in it
 */
export function copyDirectories(
  target: number,
  source: number,
  place: CopyPlace,
  work: readonly DirectoryWork[],
  budget: Budget,
): CopySlice {
  return withCopier({ target, source }, place, budget, (copier) => {
    copier.copyDirectories(work);
  });
}

/** Copies a part of one file. `files` of the result is what is left of it. @throws SystemError as `copyDirectories` */
export function copyFile(target: number, source: number, place: CopyPlace, work: FileWork): CopySlice {
  return withCopier({ target, source }, place, { entries: 1 }, (copier) => {
    copier.copyFile(work);
  });
}

/** Gives the file that was copied as `from` its other names. @throws SystemError as `copyDirectories` */
export function copyLinks(
  target: number,
  source: number,
  place: CopyPlace,
  from: string,
  names: readonly string[],
): CopySlice {
  return withCopier({ target, source }, place, { entries: names.length }, (copier) => {
    copier.link(from, names);
  });
}

/** syncfs(2) of the filesystem that holds a directory. */
export function syncFilesystem(root: number, path: string): void {
  withFd(openBeneath(root, path, DIRECTORY), (fd) => {
    libc.syncfs(fd, path);
  });
}
