import { setTimeout as sleep } from 'node:timers/promises';
import { deferred } from '../base/deferred.js';
import { KayalError, SystemError } from '../base/errors.js';
import type { CopyMeans } from './operations/copy-data.js';
import type { CopyPlace, CopySlice, DirectoryWork, FileWork, LinkedName } from './operations/copy-work.js';
import type { BrickLink } from './operations/share-blocks.js';
import type { Budget } from './slices.js';
import { LISTING } from './io-workers.js';
import type { Tree } from './tree.js';

/** What a copy has done. Bytes are counted in blocks of 4 KiB. */
export interface CopyProgress {
  readonly entries: number;
  readonly written: bigint;
  /** Shared with the source (FICLONE). */
  readonly cloned: bigint;
  /** Files that were written to all the while: their copies may be of no one moment. */
  readonly changed: number;
  /** Xattrs that the target cannot hold. */
  readonly lost: number;
  /** Why bricks did not share blocks although they were asked to; absent: they did, or were not asked. */
  readonly unshared?: string | undefined;
}

export interface CopyTreeOptions {
  readonly source: { readonly tree: Tree; readonly path: string };
  /** A directory that is there and empty. */
  readonly target: { readonly tree: Tree; readonly path: string };
  /** Asked before each slice; what it throws ends the copy. */
  readonly check: (progress: CopyProgress) => void;
  /** Connections to all bricks of the pool that source and target lie in, where they can share blocks. */
  readonly bricks?: readonly BrickLink[] | undefined;
}

/** Before a file that was written to is tried again, in ms. Replication keeps its mark on a file for a second after a write. */
const REFUSAL_PAUSES: readonly number[] = [0, 50, 150, 300, 600, 900];
/** A brick writes to its disk what it holds of a file before it shares it, in ms. */
const SHARE_DEADLINE = 120_000;
/** Slices at a time: fewer than the threads that one key may have. */
const LANES = 3;
const SLICE: Budget = { entries: 512 };
/** Directories that go to a worker with one slice. */
const DIRECTORIES = 16;
const NAMES = 256;
/** statfs(2): FUSE_SUPER_MAGIC */
const FUSE = 0x65735546;

/** A file with several names. */
interface Inode {
  readonly links: number;
  /** Names seen. */
  seen: number;
  /** The name that it was copied as, or is being copied as. */
  first: string;
  copied: boolean;
  /** Names that the copy has not got yet. */
  readonly waiting: string[];
}

type Work =
  | { readonly kind: 'file'; readonly file: FileWork; readonly inode: bigint | undefined }
  | { readonly kind: 'links'; readonly inode: Inode; readonly names: readonly string[] }
  | { readonly kind: 'directories'; readonly directories: readonly DirectoryWork[] };

/** Where files are: through GlusterFS they are read and written; elsewhere the kernel or the server may do it better. */
function meansFor(source: Tree, target: Tree): CopyMeans {
  const fuse = source.fsType === FUSE || target.fsType === FUSE;
  return { clone: !fuse && source.dev === target.dev, direct: !fuse, syncFiles: target.fsType === FUSE };
}

/**
 * One copy of a tree. What is found is worked off files first, so that what is waiting stays small, however large the tree
 * is; only files with several names are remembered until all their names are seen.
 */
class TreeCopy {
  readonly #options: CopyTreeOptions;
  readonly #place: CopyPlace;
  readonly #files: Work[];
  readonly #directories: DirectoryWork[];
  readonly #inodes = new Map<bigint, Inode>();
  #running = 0;
  #moved = deferred<void>();
  #failure: unknown;
  #failed = false;
  #progress: CopyProgress = { entries: 0, written: 0n, cloned: 0n, changed: 0, lost: 0 };

  /** @param file the only one to be copied; absent: everything */
  constructor(options: CopyTreeOptions, file?: string) {
    this.#options = options;
    this.#directories = file === undefined ? [{ path: '' }] : [];
    this.#files =
      file === undefined
        ? []
        : [{ kind: 'file', file: { path: file, offset: 0, changes: 0, unnamed: true }, inode: undefined }];
    const { source, target } = options;
    this.#place = { source: source.path, target: target.path, means: meansFor(source.tree, target.tree) };
  }

  async run(): Promise<CopyProgress> {
    await Promise.all(Array.from({ length: LANES }, () => this.#lane()));
    if (this.#failed) throw this.#failure;
    const { tree, path } = this.#options.target;
    if (!this.#place.means.syncFiles) await tree.call('syncFilesystem', [path], { deadlineMs: 120_000 });
    return this.#progress;
  }

  #next(): Work | undefined {
    const file = this.#files.pop();
    if (file !== undefined) return file;
    const directories = this.#directories.splice(-DIRECTORIES);
    return directories.length === 0 ? undefined : { kind: 'directories', directories };
  }

  async #lane(): Promise<void> {
    while (!this.#failed) {
      const work = this.#next();
      if (work === undefined) {
        if (this.#running === 0) return;
        await this.#moved.promise;
        continue;
      }
      this.#running++;
      try {
        this.#options.check(this.#progress);
        await this.#do(work);
      } catch (error) {
        this.#failed = true;
        this.#failure ??= error;
      }
      this.#running--;
      this.#moved.resolve();
      this.#moved = deferred();
    }
  }

  async #do(work: Work): Promise<void> {
    const { source, target } = this.#options;
    const place = this.#place;
    switch (work.kind) {
      case 'directories': {
        const slice = await target.tree.callWith(
          source.tree,
          'copyDirectories',
          [place, work.directories, SLICE],
          LISTING,
        );
        this.#take(slice, undefined);
        break;
      }
      case 'file': {
        const slice = await this.#copyFile(work.file);
        this.#take(slice, work.inode);
        if (slice.files.length === 0) this.#fileDone(work, slice.vanished === 0);
        break;
      }
      case 'links':
        await target.tree.callWith(source.tree, 'copyLinks', [place, work.inode.first, work.names]);
        break;
    }
  }

  async #copyFile(file: FileWork): Promise<CopySlice> {
    const { source, target, bricks } = this.#options;
    const { sharing } = file;
    if (bricks === undefined || sharing?.over === true || this.#progress.unshared !== undefined) {
      return target.tree.callWith(source.tree, 'copyFile', [this.#place, file]);
    }
    if (sharing !== undefined) await sleep(REFUSAL_PAUSES[sharing.refusals] ?? 0);
    const deadlineMs = SHARE_DEADLINE;
    return target.tree.callWith(source.tree, 'shareFile', [this.#place, file, bricks], { deadlineMs });
  }

  #take(slice: CopySlice, inode: bigint | undefined): void {
    const { entries, written, cloned, changed, lost, unshared } = this.#progress;
    this.#progress = {
      entries: entries + slice.entries,
      written: written + BigInt(slice.written),
      cloned: cloned + BigInt(slice.cloned),
      changed: changed + slice.changed,
      lost: lost + slice.lost,
      unshared: unshared ?? slice.unshared,
    };
    this.#directories.push(...slice.directories);
    for (const file of slice.files) this.#files.push({ kind: 'file', file, inode });
    for (const name of slice.linked) this.#nameSeen(name);
  }

  #nameSeen({ path, ino, links }: LinkedName): void {
    const known = this.#inodes.get(ino);
    if (known === undefined) {
      this.#inodes.set(ino, { links, seen: 1, first: path, copied: false, waiting: [] });
      this.#copyAs(path, ino);
      return;
    }
    known.seen++;
    known.waiting.push(path);
    if (known.copied) this.#linkWaiting(ino, known);
  }

  #copyAs(path: string, inode: bigint): void {
    this.#files.push({ kind: 'file', file: { path, offset: 0, changes: 0, unnamed: true }, inode });
  }

  #fileDone({ inode: ino }: Extract<Work, { kind: 'file' }>, copied: boolean): void {
    const inode = ino === undefined ? undefined : this.#inodes.get(ino);
    if (ino === undefined || inode === undefined) return;
    if (copied) {
      inode.copied = true;
      this.#linkWaiting(ino, inode);
      return;
    }
    const other = inode.waiting.shift();
    if (other === undefined) this.#inodes.delete(ino);
    else {
      inode.first = other;
      this.#copyAs(other, ino);
    }
  }

  #linkWaiting(ino: bigint, inode: Inode): void {
    while (inode.waiting.length > 0) {
      this.#files.push({ kind: 'links', inode, names: inode.waiting.splice(0, NAMES) });
    }
    if (inode.seen >= inode.links) this.#inodes.delete(ino);
  }
}

/**
 * Copies what is in a directory into another, which also gets its attributes: owners, permissions, times, `user.*` xattrs,
 * POSIX ACLs, symlinks, hard links, holes, FIFOs. The source may be in use: each file is copied as it was at one moment,
 * unless it never stops changing.
 * @throws SystemError, KayalError, and what `check` throws; the target is then of no use
 */
export async function copyTree(options: CopyTreeOptions): Promise<CopyProgress> {
  return new TreeCopy(options).run();
}

/**
 * Copies one file of a directory into another directory, as `copyTree` does.
 * @param name its name in both, of ASCII characters
 */
export async function copyFile(options: CopyTreeOptions, name: string): Promise<CopyProgress> {
  return new TreeCopy(options, name).run();
}

/** True for what no repetition of the copy can change. */
export function isHopeless(error: unknown): error is SystemError {
  return (
    !(error instanceof KayalError) && error instanceof SystemError && ['ENAMETOOLONG', 'EXDEV'].includes(error.code)
  );
}
