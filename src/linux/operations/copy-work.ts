import type { CopyMeans } from './copy-data.js';

/** Both relative to the roots of their trees. */
export interface CopyPlace {
  readonly source: string;
  readonly target: string;
  readonly means: CopyMeans;
}

/** A directory, or some of its entries. Paths are below the place, one byte per character (latin1). */
export interface DirectoryWork {
  readonly path: string;
  /**
   * Names that are left, in latin1; absent: all that it has. A directory is read through one descriptor: each brick of a
   * replicated pool has an order of its own, so that an offset (d_off) of one means something else to another one.
   */
  readonly names?: readonly string[] | undefined;
}

/** A file to be copied from `offset` on. */
export interface FileWork {
  readonly path: string;
  readonly offset: number;
  /** Times that it was found to have changed while it was copied. */
  readonly changes: number;
  /** What the source was when the copy of this file began; absent before that. */
  readonly version?: string | undefined;
  /** Its name in the target is not there yet: one of the names of a file that has several, or to be made anew. */
  readonly unnamed: boolean;
  /** How sharing its blocks on the bricks goes, where that can be tried; absent: it was not tried yet. */
  readonly sharing?: Sharing | undefined;
}

export interface Sharing {
  /** Times that the file was found to be written to. */
  readonly refusals: number;
  /** It is not tried again. */
  readonly over: boolean;
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
  /** Why bricks could not share blocks, when that is not because of the file. */
  readonly unshared: string | undefined;
}
