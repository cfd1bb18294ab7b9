import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { IoWorkers } from '../linux/io-workers.js';
import { removeHalfMade } from './half-made.js';

/** Nothing is looked at while nothing waits to be healed. */
const EVERY_MS = 10_000;

export interface HalfMadeWatchOptions {
  readonly io: IoWorkers;
  /** Key of the io workers. */
  readonly key: string;
  /** Directories of the bricks that run now. */
  readonly bricks: () => readonly string[];
  readonly log: Logger;
}

/** Takes away, from time to time, what bricks had half made when they were killed. */
export class HalfMadeWatch {
  readonly #options: HalfMadeWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: HalfMadeWatchOptions) {
    this.#options = options;
    this.#later();
  }

  #later(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => this.#later());
    }, EVERY_MS).unref();
  }

  async #look(): Promise<void> {
    const { io, key, bricks, log } = this.#options;
    try {
      for (const path of await removeHalfMade({ io, key, bricks: bricks(), now: Date.now() }))
        log.info({ path }, 'removed what a killed brick had half made');
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'it was not looked for what killed bricks had half made');
    }
  }

  /** Waits for a look that goes on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }
}
