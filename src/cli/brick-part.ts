import { LocalBricks } from '../brick/local-bricks.js';
import type { ManagedPool } from '../gluster/managed-pool.js';
import { PendingHeals } from '../gluster/pending-heals.js';
import type { MechanismName } from '../quota/mechanism.js';
import type { Part } from './part.js';
import { statePath, type Runtime } from './runtime.js';

export interface BrickPart extends Part {
  readonly managed: (pool: string) => Promise<ManagedPool>;
  readonly graphOf: (pool: string) => MechanismName | undefined;
  /** Entries of a pool that wait to be healed; undefined when its bricks are not here. */
  readonly pendingHeals: (pool: string) => Promise<number | undefined>;
  /** Names the pools that must go on after this process, because pods use them. */
  keepWhile(publishedPools: () => Promise<ReadonlySet<string>>): void;
}

/** The bricks of the managed pools on this machine. */
export function createBrickPart(runtime: Runtime): BrickPart {
  const bricks = new LocalBricks({ directory: statePath(runtime, 'managed'), io: runtime.io, log: runtime.log });
  const heals = new PendingHeals({
    count: async (pool) => (await bricks.get(pool)).pendingHeals(),
    log: runtime.log,
  });
  let published: () => Promise<ReadonlySet<string>> = () => Promise.resolve(new Set());
  return {
    services: [],
    managed: (pool) => bricks.get(pool),
    graphOf: (pool) => bricks.quotaOf(pool),
    pendingHeals: (pool) => heals.of(pool),
    keepWhile: (publishedPools) => {
      published = publishedPools;
    },
    apply: async (config) => {
      const wanted = new Set(config.pools.map(({ name }) => name));
      const used = await published();
      for (const pool of bricks.names()) {
        if (wanted.has(pool) || !used.has(pool)) continue;
        runtime.log.warn(
          { pool },
          'the pool left the configuration while volumes of it are published: its bricks go on',
        );
      }
      await bricks.apply(config, used);
    },
    stop: async () => {
      const used = await published();
      for (const pool of used) {
        runtime.log.warn({ pool }, 'volumes of the pool are published: its bricks go on, the next start adopts them');
      }
      await bricks.stop(bricks.names().filter((name) => !used.has(name)));
    },
  };
}
