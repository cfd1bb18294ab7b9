import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { reconcile } from './reconcile.js';
import type { Reconciling } from './reconciling.js';
import { STORAGE_POOLS, storagePoolSchema, type StoragePool } from './storage-pool.js';

export interface OperatorOptions extends Reconciling {
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** How often everything is looked at although nobody said that it changed; default 10 s. */
  readonly everyMs?: number | undefined;
}

const EVERY_MS = 10_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 120_000;
/** Changes come in bunches, and the status is one of them. */
const GATHER_MS = 1_000;

interface Retry {
  readonly at: number;
  readonly pauseMs: number;
}

/** Makes of the cluster what its StoragePools say, again and again. */
export class Operator {
  readonly #options: OperatorOptions;
  readonly #retries = new Map<string, Retry>();
  #wake: (() => void) | undefined;
  #isWoken = false;
  #hasListed = false;

  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  /** True once the pools were read. */
  get isReady(): boolean {
    return this.#hasListed;
  }

  /** Something changed: have a look soon. */
  poke(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  /** Goes on until the signal says to end. */
  async run(): Promise<void> {
    const { signal, everyMs = EVERY_MS } = this.#options;
    signal.addEventListener('abort', () => this.poke(), { once: true });
    while (!signal.aborted) {
      this.#isWoken = false;
      const soon = await this.#pass();
      await this.#wait(soon ? Math.min(everyMs, FIRST_RETRY_MS) : everyMs);
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    }
  }

  #wait(ms: number): Promise<void> {
    if (this.#isWoken || this.#options.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** @returns whether something is to be tried again soon */
  async #pass(): Promise<boolean> {
    const { client, log } = this.#options;
    let pools: StoragePool[];
    try {
      pools = await client.list(STORAGE_POOLS, storagePoolSchema);
      this.#hasListed = true;
    } catch (error) {
      log.error({ error: messageOf(error) }, 'the pools cannot be read');
      return false;
    }
    const names = new Set(pools.map(({ metadata }) => metadata.name));
    for (const name of this.#retries.keys()) if (!names.has(name)) this.#retries.delete(name);
    // Each by itself: one whose bricks do not answer keeps no other one waiting.
    const results = await Promise.all(pools.map((pool) => this.#reconcile(pool)));
    return results.includes(true);
  }

  async #reconcile(pool: StoragePool): Promise<boolean> {
    const { log } = this.#options;
    const { name } = pool.metadata;
    const retry = this.#retries.get(name);
    if (retry !== undefined && performance.now() < retry.at) return false;
    try {
      const { isSettled } = await reconcile({ ...this.#options, log: log.child({ pool: name }) }, pool);
      this.#retries.delete(name);
      return !isSettled && pool.status.phase === undefined;
    } catch (error) {
      const pauseMs = retry === undefined ? FIRST_RETRY_MS : Math.min(retry.pauseMs * 2, LAST_RETRY_MS);
      this.#retries.set(name, { at: performance.now() + pauseMs, pauseMs });
      log.error({ pool: name, error: messageOf(error), againInMs: pauseMs }, 'the pool is not as it should be yet');
      return retry === undefined;
    }
  }
}
