import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Mounter } from './mounter.js';

export interface MounterWatchOptions {
  readonly mounter: Mounter;
  readonly log: Logger;
  /** A mounter is there after there was none, or another one: clients that could not be started can be. */
  readonly onArrival: () => void;
  /** Default 500. */
  readonly everyMs?: number | undefined;
}

/** Knows whether there is a mounter. A look costs a read of /proc/PID/stat; while there is none, of /proc/locks. */
export class MounterWatch {
  readonly #options: MounterWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #seen: string | undefined;
  #missing: string | undefined = 'the mounter is looked for';

  constructor(options: MounterWatchOptions) {
    this.#options = options;
  }

  /** Why no client can be started; undefined: there is a mounter. */
  missing(): string | undefined {
    return this.#missing;
  }

  /** Returns after the first look. */
  async start(): Promise<void> {
    await this.#look(true);
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#again(), this.#options.everyMs ?? 500);
    this.#timer.unref();
  }

  stop(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #again(): Promise<void> {
    await this.#look(false);
    if (!this.#closed) this.#timer?.refresh();
  }

  async #look(isFirst: boolean): Promise<void> {
    const { mounter, log, onArrival } = this.#options;
    try {
      const { pid, startTime } = await mounter.find();
      const found = `${pid} ${startTime}`;
      this.#missing = undefined;
      if (found === this.#seen) return;
      this.#seen = found;
      log.info({ pid }, 'the mounter is there');
      if (!isFirst) onArrival();
    } catch (error) {
      const reason = messageOf(error);
      this.#seen = undefined;
      if (reason === this.#missing) return;
      log.warn({ reason }, 'no GlusterFS client can be started');
      this.#missing = reason;
    }
  }
}
