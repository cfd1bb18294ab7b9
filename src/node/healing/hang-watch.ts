import { KayalError, messageOf } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { IoWorkers } from '../../linux/io-workers.js';
import type { PoolMounts } from '../../pools/mounts.js';
import type { PoolNews } from '../pool-news.js';

export interface HangWatchOptions {
  readonly pools: PoolMounts;
  readonly names: () => readonly string[];
  readonly io: IoWorkers;
  readonly log: Logger;
  readonly tell?: ((pool: string, news: PoolNews) => void) | undefined;
  /** Default 5000. */
  readonly everyMs?: number | undefined;
  /** How long a pool may take to answer; default 5000. */
  readonly deadlineMs?: number | undefined;
}

/**
 * Notices pools that are mounted and do not answer. It only tells: a client that waits for its bricks comes back with
 * them, and killing it would turn a pause into errors.
 */
export class HangWatch {
  readonly #options: HangWatchOptions;
  readonly #since = new Map<string, number>();
  readonly #asking = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HangWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => {
      for (const pool of this.#options.names()) void this.#look(pool);
    }, this.#options.everyMs ?? 5_000);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Since when the pool does not answer, in ms of performance.now(); undefined: it does, or nobody uses it. */
  hangsSince(pool: string): number | undefined {
    return this.#since.get(pool);
  }

  async #look(pool: string): Promise<void> {
    const { pools, io, deadlineMs = 5_000 } = this.#options;
    if (this.#asking.has(pool)) return;
    const attachment = pools.current(pool);
    if (attachment === undefined || pools.state(pool).state !== 'mounted') {
      this.#since.delete(pool);
      return;
    }
    // One question is enough; when it comes back the next one is asked.
    if (this.#since.has(pool) && io.stuck(pool) > 0) return;
    const started = performance.now();
    this.#asking.add(pool);
    try {
      await attachment.tree.statfs('', { deadlineMs });
      this.#answered(pool);
    } catch (error) {
      if (error instanceof KayalError && error.code === 'DEADLINE_EXCEEDED') this.#hangs(pool, started, error);
      // An error is an answer: of a dead client, or of one without bricks.
      else if (!(error instanceof KayalError)) this.#answered(pool);
    } finally {
      this.#asking.delete(pool);
    }
  }

  #hangs(pool: string, since: number, error: KayalError): void {
    if (this.#since.has(pool)) return;
    this.#since.set(pool, since);
    this.#options.log.warn({ pool, error: messageOf(error) }, 'the pool hangs: its client runs and does not answer');
    this.#options.tell?.(pool, 'hangs');
  }

  #answered(pool: string): void {
    const since = this.#since.get(pool);
    if (since === undefined) return;
    this.#since.delete(pool);
    const seconds = Math.round((performance.now() - since) / 1_000);
    this.#options.log.info({ pool, seconds }, 'the pool answers again');
    this.#options.tell?.(pool, 'answers');
  }
}
