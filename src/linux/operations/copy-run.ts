import type { Slice } from '../slices.js';
import { statusOf } from '../stat.js';
import type { CopyMeans } from './copy-data.js';
import type { CopySlice, DirectoryWork, FileWork, LinkedName } from './copy-work.js';

/** What the smallest file, a directory, a symlink takes. */
export const BLOCK = 4096;

export const blocks = (bytes: number): number => Math.ceil(bytes / BLOCK) * BLOCK;

/** One slice of a copy: between which directories, how, and what came of it so far. */
export class CopyRun {
  /** Descriptors of the place's directories. */
  readonly source: number;
  readonly target: number;
  readonly means: CopyMeans;
  readonly slice: Slice;
  /** Of the source: what is mounted in it has another one. */
  readonly dev: string;
  readonly directories: DirectoryWork[] = [];
  readonly files: FileWork[] = [];
  readonly linked: LinkedName[] = [];
  entries = 0;
  written = 0;
  cloned = 0;
  changed = 0;
  lost = 0;
  vanished = 0;
  unshared: string | undefined;

  constructor(source: number, target: number, means: CopyMeans, slice: Slice) {
    this.source = source;
    this.target = target;
    this.means = means;
    this.slice = slice;
    this.dev = statusOf(source, 'source').dev;
  }

  result(): CopySlice {
    const { directories, files, linked, entries, written, cloned, changed, lost, vanished, unshared } = this;
    return { directories, files, linked, entries, written, cloned, changed, lost, vanished, unshared };
  }
}
