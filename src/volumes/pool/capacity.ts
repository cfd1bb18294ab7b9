import { exhausted } from '../../base/errors.js';
import { formatBytes, maxBytes, minBytes } from '../../base/units.js';
import type { Tree } from '../../linux/tree.js';
import type { Catalog } from '../records/catalog.js';

/** Figures older than this are read anew before they decide anything, in ms. */
const MAX_AGE = 1_000;

/** The pool's own figures in bytes, and what is left to promise. */
export interface PoolCapacity {
  readonly size: bigint;
  readonly used: bigint;
  readonly promised: bigint;
  readonly available: bigint;
}

export interface CapacityOptions {
  readonly pool: string;
  readonly overcommit: number;
  readonly tree: Tree;
  readonly catalog: Catalog;
  /** How many copies of each byte the figures of statfs have to hold; default 1. */
  readonly copies?: number | undefined;
}

/**
 * What a pool can still promise: size × overcommit − foreign data − promises, and never more than is free.
 * Foreign data is what the pool uses beyond what its volumes were last seen to use, so a volume that has grown since
 * counts twice for a while: Kayal then promises less than it could, never more.
 */
export class Capacity {
  readonly #options: CapacityOptions;
  readonly #usedByVolume = new Map<string, bigint>();
  #usedByVolumes = 0n;
  #size = 0n;
  #used = 0n;
  #free = 0n;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(options: CapacityOptions) {
    this.#options = options;
  }

  /** Reads the pool's figures unless they are fresh; calls at once share one statfs. */
  async refresh(): Promise<void> {
    if (performance.now() - this.#readAt < MAX_AGE) return;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  async #read(): Promise<void> {
    const usage = await this.#options.tree.statfs('');
    const copies = BigInt(this.#options.copies ?? 1);
    this.#used = (usage.total - usage.free) / copies;
    this.#free = usage.available / copies;
    // Blocks that the filesystem keeps for root are nobody's to promise.
    this.#size = this.#used + this.#free;
    this.#readAt = performance.now();
  }

  /** What a volume (or trash, by its name) was last seen to use, in bytes; 0n forgets it. */
  observeVolume(key: string, used: bigint): void {
    this.#usedByVolumes += used - (this.#usedByVolume.get(key) ?? 0n);
    if (used === 0n) this.#usedByVolume.delete(key);
    else this.#usedByVolume.set(key, used);
  }

  /** What the volume was last seen to use, in bytes; undefined when it was not looked at yet, or is empty. */
  usedBy(key: string): bigint | undefined {
    return this.#usedByVolume.get(key);
  }

  /** The volume's data is known under another name from now on. */
  renameVolume(from: string, to: string): void {
    const used = this.#usedByVolume.get(from) ?? 0n;
    this.observeVolume(from, 0n);
    this.observeVolume(to, used);
  }

  /** By the figures of the last refresh. */
  current(): PoolCapacity {
    const { catalog, overcommit } = this.#options;
    const promised = catalog.promisedBytes;
    const foreign = maxBytes(0n, this.#used - this.#usedByVolumes);
    const sellable = BigInt(Math.floor(Number(this.#size) * overcommit));
    const available = maxBytes(0n, minBytes(sellable - foreign - promised, this.#free));
    return { size: this.#size, used: this.#used, promised, available };
  }

  /**
   * Promises `bytes` to volume `id`; the result takes the promise back.
   * @throws KayalError RESOURCE_EXHAUSTED with the pool's figures
   */
  async reserve(id: string, bytes: bigint): Promise<() => void> {
    await this.refresh();
    const now = this.current();
    if (bytes > now.available) {
      throw exhausted(
        `pool ${this.#options.pool} has ${formatBytes(now.available)} left to promise, ${formatBytes(bytes)} were asked for ` +
          `(size ${formatBytes(now.size)}, promised ${formatBytes(now.promised)}): delete volumes, grow the pool or take another one`,
      );
    }
    return this.#options.catalog.reserve(id, bytes);
  }
}
