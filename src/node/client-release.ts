import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { readMountinfo } from '../linux/mountinfo.js';
import { isBindOfPool } from '../pools/mount-location.js';
import type { Attachment, PoolMounts } from '../pools/mounts.js';
import type { Config } from '../pools/types.js';

export interface ClientReleaseOptions {
  readonly pools: PoolMounts;
  readonly config: () => Config;
  readonly log: Logger;
  /** Whether something that mountinfo does not show needs the pool: loop devices on images. */
  readonly isInUse?: ((attachment: Attachment) => Promise<boolean>) | undefined;
  /** How long a pool stays attached after its last use, in ms; pods come and go, a client takes its time. */
  readonly graceMs?: number | undefined;
}

interface Use {
  running: number;
  /** How many began so far. */
  begun: number;
  timer?: NodeJS.Timeout | undefined;
}

/**
 * Ends the client mount of a pool once nothing is published from it. What is published is counted in mountinfo (and what
 * is attached, in sysfs), so a restart of this process forgets nothing.
 */
export class ClientRelease {
  readonly #options: ClientReleaseOptions;
  readonly #graceMs: number;
  readonly #uses = new Map<string, Use>();
  #closed = false;

  constructor(options: ClientReleaseOptions) {
    this.#options = options;
    this.#graceMs = options.graceMs ?? 10_000;
  }

  /** Runs work that needs the pool attached: it stays so meanwhile, and is looked at when the grace has passed. */
  async use<T>(pool: string, work: () => Promise<T>): Promise<T> {
    const use = this.#use(pool);
    use.running++;
    use.begun++;
    clearTimeout(use.timer);
    try {
      return await work();
    } finally {
      use.running--;
      this.#lookLater(pool, use);
    }
  }

  /** Looks after clients that an earlier process of this role left behind: those without a publish are ended. */
  async adopt(): Promise<void> {
    for (const pool of await this.#options.pools.mounted()) this.#lookLater(pool, this.#use(pool));
  }

  /** Stops looking; clients that run go on. */
  close(): void {
    this.#closed = true;
    for (const { timer } of this.#uses.values()) clearTimeout(timer);
  }

  #use(pool: string): Use {
    let use = this.#uses.get(pool);
    if (use === undefined) {
      use = { running: 0, begun: 0 };
      this.#uses.set(pool, use);
    }
    return use;
  }

  #lookLater(pool: string, use: Use): void {
    clearTimeout(use.timer);
    if (use.running > 0 || this.#closed) return;
    use.timer = setTimeout(() => {
      this.#look(pool, use).catch((error: unknown) => {
        this.#options.log.warn({ pool, error: messageOf(error) }, 'an unused client mount was not ended');
      });
    }, this.#graceMs);
    use.timer.unref();
  }

  async #look(pool: string, use: Use): Promise<void> {
    const { pools, config } = this.#options;
    if (pools.current(pool) === undefined) {
      // Left by an earlier process: only an attached client can be ended.
      const known = config().pools.find(({ name }) => name === pool);
      if (known === undefined || !(await pools.mounted()).includes(pool)) return;
      await pools.attach(known);
    }
    const attachment = pools.current(pool);
    if (attachment === undefined) return;
    const { begun } = use;
    const entries = await readMountinfo();
    if (entries.some((entry) => isBindOfPool(entry, attachment.location))) return;
    if ((await this.#options.isInUse?.(attachment)) === true) return;
    // Whatever came meanwhile may have published, and looks again after it; what comes from here on waits for the detach.
    if (use.running > 0 || use.begun !== begun || this.#closed) return;
    await pools.detach(pool);
    if (use.begun === begun) this.#uses.delete(pool);
  }
}
