import { messageOf } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { readMountinfo, type MountEntry } from '../../linux/mountinfo.js';
import { isBindOfPool } from '../../pools/mount-location.js';
import type { PoolMounts } from '../../pools/mounts.js';
import type { NestedMemory } from './nested-memory.js';

export interface NestedWatchOptions {
  readonly memory: NestedMemory;
  readonly pools: PoolMounts;
  /** Of the pools. */
  readonly names: () => readonly string[];
  readonly log: Logger;
}

/** Long enough to cost nothing: containers get their mounts when they start, and then keep them. */
const EVERY_MS = 15_000;

/** Looks from time to time at what containers have in their volumes, while there are volumes. */
export class NestedWatch {
  readonly #options: NestedWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: NestedWatchOptions) {
    this.#options = options;
  }

  /** The next look is then, whenever it would have been. */
  lookAfter(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#look()
        .catch((error: unknown) => {
          this.#options.log.warn({ error: messageOf(error) }, 'mounts nested in volumes were not looked at');
        })
        .finally(() => this.lookAfter(EVERY_MS));
    }, delayMs);
    this.#timer.unref();
  }

  stop(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    const { memory, pools, names } = this.#options;
    const locations = names().flatMap((pool) => pools.current(pool)?.location ?? []);
    const isVolume = (entry: MountEntry): boolean => locations.some((location) => isBindOfPool(entry, location));
    if (!(await readMountinfo()).some(isVolume)) return;
    await memory.refresh(isVolume, async () => {
      const dead = new Set((await Promise.all(names().map((pool) => pools.deadDevices(pool)))).flat());
      return ({ dev, fsType }) => fsType.startsWith('fuse') && dead.has(dev);
    });
  }
}
