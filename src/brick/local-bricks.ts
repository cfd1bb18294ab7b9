import { join } from 'node:path';
import { deferred, type Deferred } from '../base/deferred.js';
import { messageOf, unavailable } from '../base/errors.js';
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
  /** Settled once the first attempt to start has ended, either way. */
  readonly attempted: Deferred<void>;
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

  /**
   * The pool's bricks; waits for a pool that is just being started.
   * @throws KayalError UNAVAILABLE with the reason when they do not run
   */
  async get(pool: string): Promise<ManagedPool> {
    const running = this.#running.get(pool);
    if (running === undefined) throw unavailable(`pool ${pool}: its bricks are not run by this process`);
    await running.attempted.promise;
    if (running.pool !== undefined) return running.pool;
    throw unavailable(`pool ${pool}: its bricks do not run: ${running.error ?? 'they are being stopped'}`);
  }

  /** The mechanism that the pool's bricks were started for; undefined while they do not run. */
  quotaOf(pool: string): MechanismName | undefined {
    return this.#running.get(pool)?.quota;
  }

  /**
   * Starts what the config wants and ends what it does not want any more, except for pools to keep. Returns without
   * waiting for bricks to start.
   */
  async apply(config: Config, keep: ReadonlySet<string>): Promise<void> {
    const wanted = new Map(
      config.pools
        .filter((pool): pool is ManagedPoolConfig => pool.type === 'managed' && pool.remote === undefined)
        .map((pool) => [pool.name, pool]),
    );
    const obsolete = [...this.#running].filter(
      ([name, running]) => !keep.has(name) && JSON.stringify(wanted.get(name)) !== JSON.stringify(running.config),
    );
    await Promise.all(obsolete.map(([name]) => this.#stop(name)));
    for (const [name, pool] of wanted) if (!this.#running.has(name)) this.#start(pool);
  }

  #start(config: ManagedPoolConfig): void {
    const running: Running = {
      config,
      abort: new AbortController(),
      done: Promise.resolve(),
      attempted: deferred(),
    };
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
        running.attempted.resolve();
        return;
      } catch (error) {
        running.error = messageOf(error);
        log.error({ error: running.error }, 'bricks do not run');
        running.attempted.resolve();
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
    running.attempted.resolve();
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
