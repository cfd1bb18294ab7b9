import { release as kernelRelease } from 'node:os';
import { KayalError, messageOf } from '../../base/errors.js';
import type { KeyLock } from '../../base/key-lock.js';
import type { Logger } from '../../base/logger.js';
import { isBeneath } from '../../pools/mount-location.js';
import type { PoolMounts } from '../../pools/mounts.js';
import type { Config } from '../../pools/types.js';
import type { ClientRelease } from '../client-release.js';
import { within } from '../deadline.js';
import type { PoolNews } from '../pool-news.js';
import type { HealMetrics } from './heal-metrics.js';
import { healPool, type PoolHealResult } from './heal-pool.js';
import { newLoss, type Loss } from './loss.js';
import { NestedMemory } from './nested-memory.js';
import { NestedWatch } from './nested-watch.js';

export interface HealerOptions {
  readonly pools: PoolMounts;
  readonly release: ClientRelease;
  readonly config: () => Config;
  /** Of the node service. */
  readonly locks: KeyLock;
  readonly log: Logger;
  readonly metrics: HealMetrics;
  readonly tell?: ((pool: string, news: PoolNews) => void) | undefined;
  /** What is nested in volumes is kept there. */
  readonly memoryFile: string;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
const FIRST_LOOK_MS = 1_000;
/** How long stop() waits for replacements under way. */
const STOP_WITHIN_MS = 5_000;

/** MOVE_MOUNT_BENEATH came with Linux 6.5. */
export function hasMoveBeneath(release: string): boolean {
  const [major = 0, minor = 0] = release.split('.').map(Number.parseFloat);
  return major > 6 || (major === 6 && minor >= 5);
}

/**
 * Replaces what the end of a GlusterFS client leaves dead: the publishes on the node, then the mounts in running containers.
 * What is to be replaced is read from mountinfo, and which device numbers are dead from a file beside the client's pid file,
 * so that a new process goes on where the former one ended.
 */
export class Healer {
  readonly #options: HealerOptions;
  readonly #memory: NestedMemory;
  readonly #watch: NestedWatch;
  readonly #losses = new Map<string, Loss>();
  readonly #atomic = hasMoveBeneath(kernelRelease());
  #toldAlone = false;
  #closed = false;

  constructor(options: HealerOptions) {
    this.#options = options;
    const { pools, config, log, memoryFile } = options;
    this.#memory = new NestedMemory({ file: memoryFile, log });
    const names = (): string[] => config().pools.map(({ name }) => name);
    this.#watch = new NestedWatch({ memory: this.#memory, pools, names, log });
  }

  /**
   * Heals what was left dead while nobody was there, and looks after the clients that run and what is nested in their
   * volumes from now on.
   */
  async start(): Promise<void> {
    await this.#memory.load();
    const mounted = new Set(await this.#options.pools.mounted());
    for (const { name, type } of this.#options.config().pools) {
      if (type === 'directory' || this.#losses.has(name)) continue;
      this.#attempt(name, { ...newLoss(), adopt: mounted.has(name) });
    }
    this.#watch.lookAfter(FIRST_LOOK_MS);
  }

  /** The pool's client ended, or may have. Returns at once. */
  lost(pool: string): void {
    if (this.#closed) return;
    const known = this.#losses.get(pool);
    if (known?.running !== undefined) {
      known.again = true;
      return;
    }
    clearTimeout(known?.timer);
    this.#attempt(pool, known ?? newLoss());
  }

  /** Why a directory of the pool may be dead for some who use it, for people; undefined: nothing is known to be wrong. */
  problemOf(pool: string, path: string): string | undefined {
    const loss = this.#losses.get(pool);
    const dead = loss?.unhealed.find((mount) => isBeneath(`/${mount.path}`, `/${path}`));
    if (dead !== undefined) return `dead at ${dead.target} for process ${dead.pid}: ${dead.reason}`;
    return loss?.unhealed.length === 0 ? loss.problem : undefined;
  }

  async stop(): Promise<void> {
    this.#closed = true;
    this.#watch.stop();
    for (const { timer } of this.#losses.values()) clearTimeout(timer);
    const running = [...this.#losses.values()].flatMap((loss) => loss.running ?? []);
    await within(STOP_WITHIN_MS, Promise.allSettled(running));
  }

  #attempt(pool: string, loss: Loss): void {
    this.#losses.set(pool, loss);
    loss.timer = undefined;
    loss.again = false;
    loss.running = this.#heal(pool, loss).then(
      (done) => this.#ended(pool, loss, done),
      (error: unknown) => {
        this.#say(pool, loss, messageOf(error));
        if (error instanceof KayalError && error.code === 'DEADLINE_EXCEEDED') this.#hangs(pool, loss);
        this.#options.metrics.ended(pool, 'failed', performance.now() - loss.since);
        this.#ended(pool, loss, false);
      },
    );
  }

  #ended(pool: string, loss: Loss, done: boolean): void {
    loss.running = undefined;
    if (this.#closed) return;
    if (loss.again) {
      this.#attempt(pool, newLoss());
      return;
    }
    if (done) {
      if (loss.hangs) this.#options.tell?.(pool, 'answers');
      this.#losses.delete(pool);
      return;
    }
    const delay = Math.min(FIRST_RETRY_MS * 2 ** loss.attempts, LAST_RETRY_MS);
    loss.attempts++;
    loss.timer = setTimeout(() => this.#attempt(pool, loss), delay);
    loss.timer.unref();
  }

  /** @returns whether nothing of the pool is dead any more */
  async #heal(name: string, loss: Loss): Promise<boolean> {
    const { pools, release, config, log } = this.#options;
    const pool = config().pools.find((candidate) => candidate.name === name);
    if (pool === undefined) return true;
    const result = await healPool({ ...this.#options, memory: this.#memory, atomic: this.#atomic }, pool, () => {
      if (loss.problem !== undefined) return;
      log.warn({ pool: name }, 'volumes are dead: a new client is started for them');
      this.#options.tell?.(name, 'died');
    });
    if (result !== undefined) {
      this.#report(name, loss, result);
      this.#watch.lookAfter(0);
      return result.complete;
    }
    if (loss.adopt) await release.use(name, () => pools.attach(pool));
    return true;
  }

  #report(pool: string, loss: Loss, { healed, unhealed, lost, sawOthers, complete }: PoolHealResult): void {
    const { log, metrics } = this.#options;
    const ms = Math.round(performance.now() - loss.since);
    loss.unhealed = unhealed;
    if (healed > 0 || complete) {
      metrics.ended(pool, complete ? 'healed' : 'partly', ms);
      log.info({ pool, mounts: healed, ms }, 'dead mounts replaced');
      if (complete) this.#options.tell?.(pool, 'healed');
    }
    if (lost.length > 0) log.warn({ pool, lost }, 'mounts in volumes could not be put back: restart these containers');
    if (!sawOthers && !this.#toldAlone) {
      this.#toldAlone = true;
      log.warn({ pool }, 'no other mount namespace is visible, so none of a running container is healed (hostPID?)');
    }
    const [first] = unhealed;
    if (first === undefined) return;
    this.#say(pool, loss, `${unhealed.length} dead mounts remain, one is ${first.target}: ${first.reason}`);
  }

  #hangs(pool: string, loss: Loss): void {
    if (!loss.hangs) this.#options.tell?.(pool, 'hangs');
    loss.hangs = true;
  }

  /** The same once. */
  #say(pool: string, loss: Loss, problem: string): void {
    if (loss.problem !== problem) this.#options.log.warn({ pool, problem }, 'not healed yet, tried again');
    loss.problem = problem;
  }
}
