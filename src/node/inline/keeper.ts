import { messageOf } from '../../base/errors.js';
import type { KeyLock } from '../../base/key-lock.js';
import type { Logger } from '../../base/logger.js';
import type { Attachment, PoolMounts } from '../../pools/mounts.js';
import { nodeOfPool } from '../../pools/reach.js';
import type { Config, PoolConfig } from '../../pools/types.js';
import { formatHandle } from '../../volumes/records/handle.js';
import type { ClientRelease } from '../client-release.js';
import { volumeKey } from '../locks.js';
import { Inventory } from './inventory.js';
import { LostVolumes } from './lost.js';
import { settleAll } from './settle.js';
import type { InlineEntry, InlineStore } from './store.js';

/** In ms. */
export interface KeeperTimes {
  /** Between looks at what is in use. */
  readonly lookEvery: number;
  /** A volume that is lost or unknown is given back after this time. */
  readonly lostAfter: number;
  /** Between comparisons with the controller's records. */
  readonly inventoryEvery: number;
  /** The same while there is a volume that this node does not know, or nobody answered. */
  readonly inventoryAgain: number;
  /** How long the controller is waited for at a time; after that longer and longer pauses, from the first to the last. */
  readonly patience: number;
  readonly pauses: readonly [first: number, last: number];
}

export const KEEPER_TIMES: KeeperTimes = {
  lookEvery: 15_000,
  lostAfter: 30_000,
  inventoryEvery: 600_000,
  inventoryAgain: 45_000,
  patience: 10_000,
  pauses: [15_000, 300_000],
};

export interface InlineKeeperOptions {
  readonly nodeId: string;
  readonly config: () => Config;
  readonly pools: PoolMounts;
  readonly release: ClientRelease;
  readonly store: InlineStore;
  /** Of the node service: what an RPC works on is left to it. */
  readonly locks: KeyLock;
  readonly log: Logger;
  readonly times?: KeeperTimes | undefined;
}

interface PoolState {
  readonly inventory: Inventory;
  isBusy: boolean;
  /** Somebody released a volume meanwhile. */
  isWoken: boolean;
  pause: number;
  /** By performance.now(). */
  notBefore: number;
  /** The same. */
  inventoryAt: number;
  /** There may be volumes on record that this node does not know. */
  isUnsure: boolean;
}

/**
 * Gives back what the pods of this node no longer use: what was unpublished, what was lost, and what only the controller's
 * records tell of. It asks the controller, which removes; what is mounted here is never given back.
 */
export class InlineKeeper {
  readonly #options: InlineKeeperOptions;
  readonly #times: KeeperTimes;
  readonly #lost: LostVolumes;
  readonly #pools = new Map<string, PoolState>();
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #lookAgain = false;
  #isClosed = false;

  constructor(options: InlineKeeperOptions) {
    this.#options = options;
    this.#times = options.times ?? KEEPER_TIMES;
    this.#lost = new LostVolumes(this.#times.lostAfter);
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#wake(), this.#times.lookEvery).unref();
    void this.#wake();
  }

  /** Something was released just now. */
  soon(): void {
    for (const state of this.#pools.values()) {
      state.isWoken = true;
      state.pause = 0;
      state.notBefore = 0;
    }
    void this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  async #wake(): Promise<void> {
    this.#lookAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      while (this.#lookAgain && !this.#isClosed) {
        this.#lookAgain = false;
        await this.#look();
      }
    } catch (error) {
      this.#options.log.warn({ error: messageOf(error) }, 'inline volumes could not be looked at');
    } finally {
      this.#isLooking = false;
    }
  }

  async #look(): Promise<void> {
    const { store, log, config } = this.#options;
    const used = (await store.all()).filter(({ released }) => !released);
    for (const entry of await this.#lost.find(used)) {
      const handle = formatHandle(entry);
      log.info({ volume: handle, target: entry.target }, 'kubelet has forgotten an inline volume: it is given back');
      await this.#underLock(handle, () => store.put({ ...entry, released: true }));
      this.#lost.forget(entry.id);
    }
    const entries = await store.all();
    for (const pool of config().pools) {
      const state = this.#stateOf(pool.name);
      if (state.isBusy || performance.now() < state.notBefore) continue;
      const own = entries.filter((entry) => entry.pool === pool.name);
      const isInventory = this.#isInventoryDue(pool, state, own);
      if (isInventory || own.some(({ released }) => released)) void this.#work(pool, state, isInventory);
    }
  }

  #stateOf(pool: string): PoolState {
    const { nodeId, store } = this.#options;
    const { lostAfter } = this.#times;
    const known = this.#pools.get(pool);
    if (known !== undefined) return known;
    const inventory = new Inventory({ nodeId, pool, store, lostAfter });
    const state = { inventory, isBusy: false, isWoken: false, pause: 0, notBefore: 0, inventoryAt: 0, isUnsure: true };
    this.#pools.set(pool, state);
    return state;
  }

  /** Once for each pool, for the volumes of a former process; then only where the pool is in use here anyway. */
  #isInventoryDue(pool: PoolConfig, { inventoryAt, isUnsure }: PoolState, own: readonly InlineEntry[]): boolean {
    const { pools, nodeId } = this.#options;
    if ((nodeOfPool(pool, nodeId) ?? nodeId) !== nodeId) return false;
    if (performance.now() < inventoryAt) return false;
    if (own.length > 0) return true;
    return pool.inlineVolumes !== undefined && (isUnsure || pools.current(pool.name) !== undefined);
  }

  async #work(pool: PoolConfig, state: PoolState, isInventory: boolean): Promise<void> {
    const { nodeId, pools, release, store, log } = this.#options;
    state.isBusy = true;
    state.isWoken = false;
    try {
      await release.use(pool.name, async () => {
        const attachment = await pools.attach(pool);
        await settleAll({
          nodeId,
          attachment,
          store,
          log,
          underLock: (handle, work) => this.#underLock(handle, work),
          patienceMs: this.#isClosed ? 0 : this.#times.patience,
        });
        if (isInventory) await this.#compare(attachment, state);
      });
      state.pause = 0;
    } catch (error) {
      const [first, last] = this.#times.pauses;
      state.pause = Math.min(last, Math.max(first, state.pause * 2));
      state.notBefore = performance.now() + state.pause;
      log.info({ pool: pool.name, error: messageOf(error) }, 'inline volumes are not given back yet');
    } finally {
      state.isBusy = false;
      if (state.isWoken) this.soon();
    }
  }

  async #compare({ tree }: Attachment, state: PoolState): Promise<void> {
    const { inventoryAgain, inventoryEvery } = this.#times;
    state.inventoryAt = performance.now() + inventoryAgain;
    const { found, isSettled } = await state.inventory.compare(tree);
    for (const entry of found) {
      const handle = formatHandle(entry);
      this.#options.log.info({ volume: handle, ...entry }, 'an inline volume was known by its record only');
      await this.#underLock(handle, () => this.#takeOver(entry));
    }
    state.isUnsure = !isSettled;
    if (isSettled) state.inventoryAt = performance.now() + inventoryEvery;
    if (found.some(({ released }) => released)) state.isWoken = true;
  }

  async #takeOver(entry: InlineEntry): Promise<void> {
    const { store } = this.#options;
    if ((await store.get(entry.id)) === undefined) await store.put(entry);
  }

  /** @returns undefined when an RPC is at work on the volume: later */
  async #underLock<T>(handle: string, work: () => Promise<T>): Promise<T | undefined> {
    const release = this.#options.locks.tryAcquire(volumeKey(handle));
    if (release === undefined) return undefined;
    try {
      return await work();
    } finally {
      release();
    }
  }
}
