import type { Logger } from '../base/logger.js';
import { holdsAllOnEachBrick, shapeOf } from '../gluster/volfile/group-shape.js';
import { HalfRenames } from '../linux/half-renames.js';
import type { BrickPlaces } from '../linux/brick-connection.js';
import { BrickLinks } from '../linux/brick-links.js';
import type { IoWorkers } from '../linux/io-workers.js';
import type { ProcessIdentity } from '../linux/process-info.js';
import { Tree } from '../linux/tree.js';
import type { PoolMounts } from '../pools/mounts.js';
import type { Config, PoolConfig } from '../pools/types.js';
import type { MechanismName, QuotaMechanism } from '../quota/mechanism.js';
import { openSource } from '../volumes/pool/content-source.js';
import { ControlledPool } from '../volumes/service/controlled-pool.js';
import { warnOfOvershoot } from './overshoot-warning.js';
import type { KnownPools } from '../volumes/pool/known-pools.js';

export interface ControlledPoolsOptions {
  readonly node: string;
  readonly self: ProcessIdentity;
  readonly known: KnownPools;
  /** The control mounts. */
  readonly mounts: PoolMounts;
  readonly io: IoWorkers;
  readonly log: Logger;
  /** What connections to each brick of a managed pool are made from; absent: the bricks are another process's. */
  readonly bricksOf?: ((pool: string) => Promise<BrickPlaces>) | undefined;
  readonly mechanismFor: (
    config: PoolConfig,
    tree: Tree,
    recorded: MechanismName | undefined,
  ) => Promise<QuotaMechanism>;
}

function managedPools(config: Config): Map<string, PoolConfig> {
  return new Map(config.pools.filter((pool) => !pool.staticOnly).map((pool) => [pool.name, pool]));
}

/** The pools of the config that this controller manages; static-only pools have nothing to manage. */
export class ControlledPools {
  readonly #options: ControlledPoolsOptions;
  readonly #pools = new Map<string, ControlledPool>();
  readonly #bricks = new Map<string, BrickLinks>();

  constructor(options: ControlledPoolsOptions) {
    this.#options = options;
  }

  all(): ReadonlyMap<string, ControlledPool> {
    return this.#pools;
  }

  /**
   * Takes the names of new pools in, before anything is opened: a call for one of them must wait, and not be told that
   * there is no such pool (DeleteVolume would be OK then, and the volume leaked).
   */
  announce(config: Config): void {
    for (const [name, pool] of managedPools(config)) {
      if (!this.#pools.has(name)) this.#make(pool, config.installation);
    }
  }

  /** Closes the pools that are gone or changed; the others go on undisturbed. */
  async retire(config: Config): Promise<void> {
    const wanted = managedPools(config);
    const obsolete = [...this.#pools].filter(
      ([name, pool]) =>
        config.installation !== pool.installation || JSON.stringify(wanted.get(name)) !== JSON.stringify(pool.config),
    );
    const ending = obsolete.map(async ([name, pool]) => {
      const bricks = this.#bricks.get(name);
      this.#bricks.delete(name);
      this.#pools.delete(name);
      const next = wanted.get(name);
      if (next !== undefined) this.#make(next, config.installation);
      await this.#end(name, pool);
      // They take seconds to end, and nobody has to wait for that.
      void bricks?.close();
    });
    await Promise.all(ending);
  }

  /** Opens the pools that are new; returns without waiting for them. */
  apply(config: Config): void {
    this.announce(config);
    for (const pool of this.#pools.values()) pool.start();
  }

  #make(config: PoolConfig, installation: string): void {
    const { mounts, io, log, bricksOf, mechanismFor, node, self, known } = this.#options;
    const poolLog = log.child({ pool: config.name });
    // What is done brick by brick needs their directories.
    const bricks =
      config.type === 'managed' && config.remote === undefined && bricksOf !== undefined
        ? { pool: config.name, io, log: poolLog, places: () => bricksOf(config.name) }
        : undefined;
    const canShare = config.type === 'managed' && holdsAllOnEachBrick(shapeOf(config), config.bricks.length);
    const links = bricks && canShare ? new BrickLinks(bricks) : undefined;
    if (links !== undefined) this.#bricks.set(config.name, links);
    const pool = new ControlledPool({
      config,
      bricks: links,
      halfRenames: bricks && new HalfRenames(bricks),
      installation,
      node,
      self,
      known,
      log: poolLog,
      attach: async () => {
        const { tree } = await mounts.attach(config);
        return { tree, background: await Tree.open(io, `${config.name}#background`, tree.root) };
      },
      mechanismFor: (tree, recorded) => mechanismFor(config, tree, recorded),
      openSource: (source) => openSource(this.#pools, source),
      onOpen: (session) => void warnOfOvershoot(session),
    });
    this.#pools.set(config.name, pool);
  }

  async #end(name: string, pool: ControlledPool): Promise<void> {
    await pool.close();
    await this.#options.mounts.detach(name);
  }

  /** Gives every lease up and ends the control mounts. */
  async close(): Promise<void> {
    await Promise.all([...this.#pools].map(([name, pool]) => this.#end(name, pool)));
    this.#pools.clear();
  }
}
