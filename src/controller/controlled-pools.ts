import type { Logger } from '../base/logger.js';
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
  #installation = '';

  constructor(options: ControlledPoolsOptions) {
    this.#options = options;
  }

  all(): ReadonlyMap<string, ControlledPool> {
    return this.#pools;
  }

  /** Closes the pools that are gone or changed; the others go on undisturbed. */
  async retire(config: Config): Promise<void> {
    const wanted = managedPools(config);
    const obsolete = [...this.#pools].filter(
      ([name, pool]) =>
        config.installation !== this.#installation || JSON.stringify(wanted.get(name)) !== JSON.stringify(pool.config),
    );
    await Promise.all(obsolete.map(([name]) => this.#close(name)));
    this.#installation = config.installation;
  }

  /** Opens the pools that are new; returns without waiting for them. */
  apply(config: Config): void {
    for (const [name, pool] of managedPools(config)) if (!this.#pools.has(name)) this.#open(pool);
  }

  #open(config: PoolConfig): void {
    const { mounts, io, log, mechanismFor, node, self, known } = this.#options;
    const pool = new ControlledPool({
      config,
      installation: this.#installation,
      node,
      self,
      known,
      log: log.child({ pool: config.name }),
      attach: async () => {
        const { tree } = await mounts.attach(config);
        return { tree, background: await Tree.open(io, `${config.name}#background`, tree.root) };
      },
      mechanismFor: (tree, recorded) => mechanismFor(config, tree, recorded),
      openSource: (source) => openSource(this.#pools, source),
      onOpen: (session) => void warnOfOvershoot(session),
    });
    this.#pools.set(config.name, pool);
    pool.start();
  }

  async #close(name: string): Promise<void> {
    const pool = this.#pools.get(name);
    this.#pools.delete(name);
    await pool?.close();
    await this.#options.mounts.detach(name);
  }

  /** Gives every lease up and ends the control mounts. */
  async close(): Promise<void> {
    await Promise.all([...this.#pools.keys()].map((name) => this.#close(name)));
  }
}
