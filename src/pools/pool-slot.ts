import { KayalError, messageOf, unavailable } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { readMountinfo } from '../linux/mountinfo.js';
import { locate } from './mount-location.js';
import type { Attachment, OpenPool } from './open-pool.js';
import type { PoolConfig } from './types.js';

export interface MountState {
  readonly state: 'absent' | 'mounted' | 'failed';
  readonly reason?: string | undefined;
}

interface Live {
  readonly open: OpenPool;
  readonly attachment: Attachment;
  checkedAt: number;
}

type Opener = (pool: PoolConfig) => Promise<{ open: OpenPool; attachment: Attachment }>;

/** An unmounted or replaced mount is noticed within this time, in ms; reading mountinfo costs up to 8 ms with 1000 mounts. */
const CHECK_EVERY_MS = 1_000;

/** What has to be mounted anew when it changes; hosts and client options count from the next client on. */
function placeOf(pool: PoolConfig): string {
  if (pool.type === 'directory') return JSON.stringify([pool.type, pool.path, pool.requireMount, pool.node]);
  if (pool.type === 'gluster') return JSON.stringify([pool.type, pool.volume]);
  return JSON.stringify([pool.type, pool.bricks, pool.remote]);
}

async function isStillMounted({ tree, location }: OpenPool): Promise<boolean> {
  const now = locate(await readMountinfo(), tree.root);
  return now?.dev === location.dev && now.target === location.target;
}

/** One pool's place in PoolMounts: at most one attach or detach of it runs at a time. */
export class PoolSlot {
  readonly #name: string;
  readonly #opener: Opener;
  readonly #log: Logger;
  #live: Live | undefined;
  #reason: string | undefined;
  #attaching: Promise<Attachment> | undefined;
  #detaching: Promise<void> | undefined;

  constructor(name: string, opener: Opener, log: Logger) {
    this.#name = name;
    this.#opener = opener;
    this.#log = log;
  }

  current(): Attachment | undefined {
    return this.#live?.attachment;
  }

  state(): MountState {
    if (this.#live !== undefined) {
      return this.#live.open.isAlive() ? { state: 'mounted' } : { state: 'failed', reason: 'its client ended' };
    }
    return this.#reason === undefined ? { state: 'absent' } : { state: 'failed', reason: this.#reason };
  }

  attach(pool: PoolConfig): Promise<Attachment> {
    this.#attaching ??= this.#attach(pool).finally(() => {
      this.#attaching = undefined;
    });
    return this.#attaching;
  }

  detach(): Promise<void> {
    this.#detaching ??= this.#detach().finally(() => {
      this.#detaching = undefined;
    });
    return this.#detaching;
  }

  async #attach(pool: PoolConfig): Promise<Attachment> {
    await this.#detaching?.catch(() => undefined);
    if (this.#live !== undefined) {
      if (await this.#isUsable(this.#live, pool)) return this.#live.attachment;
      await this.#drop(this.#live, placeOf(this.#live.attachment.pool) !== placeOf(pool));
    }
    try {
      const opened = await this.#opener(pool);
      this.#live = { ...opened, checkedAt: performance.now() };
      this.#reason = undefined;
      this.#log.info({ pool: this.#name, root: opened.attachment.root }, 'pool attached');
      return opened.attachment;
    } catch (error) {
      this.#reason = messageOf(error);
      if (error instanceof KayalError) throw error;
      throw unavailable(`pool ${this.#name} cannot be reached: ${this.#reason}`, { cause: error });
    }
  }

  async #isUsable(live: Live, pool: PoolConfig): Promise<boolean> {
    if (!live.open.isAlive() || placeOf(live.attachment.pool) !== placeOf(pool)) return false;
    if (performance.now() - live.checkedAt < CHECK_EVERY_MS) return true;
    live.checkedAt = performance.now();
    return isStillMounted(live.open);
  }

  /** Gives up a mount; its client is ended only when another place is to be mounted instead. */
  async #drop(live: Live, stop: boolean): Promise<void> {
    this.#live = undefined;
    await live.open.tree.close();
    if (stop) await live.open.stop();
  }

  async #detach(): Promise<void> {
    await this.#attaching?.catch(() => undefined);
    const live = this.#live;
    this.#reason = undefined;
    if (live === undefined) return;
    await this.#drop(live, true);
    this.#log.info({ pool: this.#name }, 'pool detached');
  }
}
