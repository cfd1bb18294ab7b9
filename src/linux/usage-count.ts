import type { UsageSlice } from './operations/usage.js';
import type { WalkDirectory, WalkPosition } from './operations/walk.js';

/** So many directories go to the worker with each slice; the others stay here, however many there are. */
const AT_ONCE = 64;

/** What the files below a directory take, as far as they have been counted. A new one for each slice. */
export class UsageCount {
  /** Allocated bytes, as du(1) counts: a file with several names once. */
  readonly bytes: bigint;
  readonly inodes: bigint;
  readonly #pending: readonly WalkDirectory[];
  readonly #linked: Set<bigint>;

  private constructor(count: { bytes: bigint; inodes: bigint }, position: WalkPosition, linked: Set<bigint>) {
    this.bytes = count.bytes;
    this.inodes = count.inodes;
    this.#pending = position;
    this.#linked = linked;
  }

  static start(path: string): UsageCount {
    return new UsageCount({ bytes: 0n, inodes: 0n }, [{ path: Buffer.from(path).toString('latin1') }], new Set());
  }

  get done(): boolean {
    return this.#pending.length === 0;
  }

  /** Where the next slice goes on. */
  next(): WalkPosition {
    return this.#pending.slice(-AT_ONCE);
  }

  /** With the slice that began at `next()`. */
  plus(slice: UsageSlice): UsageCount {
    let { bytes, inodes } = this;
    bytes += slice.bytes;
    inodes += slice.inodes;
    for (const file of slice.linked) {
      if (this.#linked.has(file.ino)) continue;
      this.#linked.add(file.ino);
      bytes += file.bytes;
      inodes++;
    }
    const pending = [...this.#pending.slice(0, -AT_ONCE), ...slice.position];
    return new UsageCount({ bytes, inodes }, pending, this.#linked);
  }
}
