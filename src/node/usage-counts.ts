import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { Limiter } from '../base/limiter.js';
import type { Tree, UsageCount } from '../linux/tree.js';

/** What the files of a directory took when they were counted. */
export interface CountedUsage {
  /** Allocated bytes, as du(1) counts. */
  readonly bytes: bigint;
  readonly inodes: bigint;
  /** Milliseconds since the epoch, at the end of the count. */
  readonly countedAt: number;
  readonly tookMs: number;
}

interface Volume {
  last?: CountedUsage | undefined;
  running?: Promise<void> | undefined;
  askedAt: number;
}

/** Entries per slice: some 100 ms on a GlusterFS mount, and the io worker is free for others after it. */
const SLICE = 2_000;
/** A count is used for this long, and for this many times as long as it took: a large volume is counted less often. */
const FRESH_MS = 60_000;
const FRESH_FACTOR = 20;
/** Counts of volumes that nobody asked about for so long are forgotten. */
const FORGET_MS = 3_600_000;

export interface UsageCountsOptions {
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now?: (() => number) | undefined;
}

/**
 * What volumes without a counting quota mechanism take, found by walking through them in the background: at most one
 * walk per pool at a time, in slices.
 */
export class UsageCounts {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #volumes = new Map<string, Volume>();
  readonly #limiters = new Map<string, Limiter>();

  constructor(options: UsageCountsOptions) {
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
  }

  /**
   * The last count; a new one is begun when it is due. Without any yet, it is waited for, but not longer than
   * `patienceMs`: a small volume has its first answer at once.
   */
  async get(
    volume: { readonly pool: string; readonly handle: string; readonly tree: Tree; readonly path: string },
    patienceMs: number,
  ): Promise<CountedUsage | undefined> {
    const now = this.#now();
    this.#forget(now);
    const known: Volume = this.#volumes.get(volume.handle) ?? { askedAt: now };
    this.#volumes.set(volume.handle, known);
    known.askedAt = now;
    if (isDue(known.last, now)) known.running ??= this.#start(volume, known);
    if (known.last === undefined && known.running !== undefined) await withPatience(known.running, patienceMs);
    return known.last;
  }

  #start(
    { pool, handle, tree, path }: { pool: string; handle: string; tree: Tree; path: string },
    known: Volume,
  ): Promise<void> {
    const limiter = this.#limiters.get(pool) ?? new Limiter(1);
    this.#limiters.set(pool, limiter);
    return limiter
      .run(() => this.#count(tree, path))
      .then(
        (count) => {
          known.last = count;
        },
        (error: unknown) => {
          this.#log.warn({ volume: handle, error: messageOf(error) }, 'used space could not be counted');
        },
      )
      .finally(() => {
        known.running = undefined;
      });
  }

  async #count(tree: Tree, path: string): Promise<CountedUsage> {
    const started = this.#now();
    let count: UsageCount | undefined;
    do count = await tree.countUsage(path, { entries: SLICE }, count);
    while (!count.done);
    const countedAt = this.#now();
    return { bytes: count.bytes, inodes: count.inodes, countedAt, tookMs: countedAt - started };
  }

  #forget(now: number): void {
    for (const [handle, { askedAt, running }] of this.#volumes) {
      if (running === undefined && now - askedAt > FORGET_MS) this.#volumes.delete(handle);
    }
  }
}

function isDue(last: CountedUsage | undefined, now: number): boolean {
  return last === undefined || now - last.countedAt > Math.max(FRESH_MS, FRESH_FACTOR * last.tookMs);
}

async function withPatience(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    work,
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    }),
  ]);
  clearTimeout(timer);
}
