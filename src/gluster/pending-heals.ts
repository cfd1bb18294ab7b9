import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';

/** A count is good for this long, in ms; listing the index of a brick is cheap, but not once per volume. */
const FRESH_MS = 10_000;

export interface PendingHealsOptions {
  /** The pool's own count; rejects when its bricks are not here. */
  readonly count: (pool: string) => Promise<number>;
  readonly log: Logger;
  /** Monotonic, in ms. */
  readonly now?: (() => number) | undefined;
}

/** How many entries of each pool wait to be healed, however many ask at a time. */
export class PendingHeals {
  readonly #options: PendingHealsOptions;
  readonly #now: () => number;
  readonly #counts = new Map<string, { readonly at: number; readonly count: Promise<number | undefined> }>();

  constructor(options: PendingHealsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** @returns undefined where it cannot be known */
  of(pool: string): Promise<number | undefined> {
    const known = this.#counts.get(pool);
    const at = this.#now();
    if (known !== undefined && at - known.at < FRESH_MS) return known.count;
    const count = this.#options.count(pool).catch((error: unknown) => {
      this.#options.log.debug({ pool, error: messageOf(error) }, 'entries to heal not counted');
      return undefined;
    });
    this.#counts.set(pool, { at, count });
    return count;
  }
}
