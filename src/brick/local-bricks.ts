import { join } from 'node:path';
import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { ManagedPool } from '../gluster/managed-pool.js';
import type { IoWorkers } from '../linux/io-workers.js';
import type { Config, ManagedPoolConfig } from '../pools/types.js';
import type { MechanismName } from '../quota/mechanism.js';
import { brickQuota } from './brick-quota.js';

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;

export interface LocalBricksOptions {
  /** Volfiles, logs and pid files of each pool lie below it, mode 0700. */
  readonly directory: string;
  readonly io: IoWorkers;
  readonly log: Logger;
}

interface Running {
  readonly config: ManagedPoolConfig;
  readonly abort: AbortController;
  done: Promise<void>;
  pool?: ManagedPool | undefined;
  quota?: MechanismName | undefined;
  error?: string | undefined;
}

/** The bricks of the managed pools on this machine: those of the config run, others do not. */
export class LocalBricks {
  readonly #options: LocalBricksOptions;
  readonly #running = new Map<string, Running>();

  constructor(options: LocalBricksOptions) {
    this.#options = options;
  }

  /** The pool's bricks; undefined while they do not run. */
  get(pool: string): ManagedPool | undefined {
    return this.#running.get(pool)?.pool;
  }

  /** The mechanism that the pool's bricks were started for; undefined while they do not run. */
  quotaOf(pool: string): MechanismName | undefined {
    return this.#running.get(pool)?.quota;
  }

  /** Why the pool's bricks do not run; undefined when they do or nobody wants them. */
  reason(pool: string): string | undefined {
    return this.#running.get(pool)?.error;
  }

  /** Starts what the config wants and ends what it does not want any more. Returns without waiting for bricks to start. */
  async apply(config: Config): Promise<void> {
    const wanted = new Map(
      config.pools
        .filter((pool): pool is ManagedPoolConfig => pool.type === 'managed')
        .map((pool) => [pool.name, pool]),
    );
    const obsolete = [...this.#running].filter(
      ([name, running]) => JSON.stringify(wanted.get(name)) !== JSON.stringify(running.config),
    );
    await Promise.all(obsolete.map(([name]) => this.#stop(name)));
    for (const [name, pool] of wanted) if (!this.#running.has(name)) this.#start(pool);
  }

  #start(config: ManagedPoolConfig): void {
    const running: Running = { config, abort: new AbortController(), done: Promise.resolve() };
    this.#running.set(config.name, running);
    running.done = this.#run(running);
  }

  async #run(running: Running): Promise<void> {
    const { config, abort } = running;
    const log = this.#options.log.child({ pool: config.name });
    for (let retry = FIRST_RETRY_MS; !abort.signal.aborted; retry = Math.min(retry * 2, LAST_RETRY_MS)) {
      try {
        const directory = join(this.#options.directory, config.name);
        const quota = await brickQuota(config, directory, this.#options.io);
        running.pool = await ManagedPool.start({
          config,
          quota,
          directory,
          io: this.#options.io,
          log,
        });
        running.quota = quota;
        running.error = undefined;
        log.info({ bricks: config.bricks.length, quota }, 'bricks run');
        return;
      } catch (error) {
        running.error = messageOf(error);
        log.error({ error: running.error }, 'bricks do not run');
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, retry);
          abort.signal.addEventListener('abort', () => {
            clearTimeout(timer);
            resolve();
          });
        });
      }
    }
  }

  async #stop(name: string): Promise<void> {
    const running = this.#running.get(name);
    if (running === undefined) return;
    this.#running.delete(name);
    running.abort.abort();
    await running.done;
    await running.pool?.stop();
  }

  /** Ends the bricks of the given pools (all by default). */
  async stop(pools: readonly string[] = [...this.#running.keys()]): Promise<void> {
    await Promise.all(pools.map((name) => this.#stop(name)));
  }

  /** Names of the pools whose bricks are wanted. */
  names(): string[] {
    return [...this.#running.keys()];
  }
}
