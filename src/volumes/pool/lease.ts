/*
 * The controller's lease on a pool, and the fence that makes it hold.
 *
 * `.kayal/leases/controller.json` says who holds it and is renewed every few seconds. What makes it safe is not the
 * clock but a directory: `.kayal/leases/controller.<epoch>/`. Every change that must not happen twice (a record, a
 * move of data) is prepared inside it and then renamed out of it, and taking the lease over renames that directory to
 * the next epoch. rename(2) of one name succeeds for one of two rivals only, and a former holder that wakes up late
 * (SIGSTOP, a hung call) finds that the path it was about to rename from is gone: ENOENT, nothing changed.
 */
import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import { isErrno, messageOf, unavailable } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ProcessIdentity } from '../../linux/process-info.js';
import type { Tree } from '../../linux/tree.js';
import { LEASES_DIRECTORY } from '../records/layout.js';
import { isKnownDead } from './known-dead.js';

const LEASE_FILE = `${LEASES_DIRECTORY}/controller.json`;
const FENCE = /^controller\.(\d{1,15})$/;

/** In ms, by the monotonic clock of whoever measures; never compared between machines. */
export interface LeaseTimes {
  readonly renewEvery: number;
  /** After its last renewal began the holder acts for this long. */
  readonly validFor: number;
  /** A rival that saw no renewal for this long takes over. The excess over validFor outlives a request in flight (ping-timeout 10 s). */
  readonly takeOverAfter: number;
}
export const LEASE_TIMES: LeaseTimes = { renewEvery: 4_000, validFor: 12_000, takeOverAfter: 24_000 };

const leaseSchema = v.looseObject({
  epoch: v.number(),
  token: v.string(),
  sequence: v.number(),
  released: v.boolean(),
  holder: v.object({
    node: v.string(),
    machineId: v.string(),
    bootId: v.string(),
    pidNamespace: v.string(),
    pid: v.number(),
    startTime: v.string(),
  }),
  renewedAt: v.string(),
});
type LeaseFile = v.InferOutput<typeof leaseSchema>;

export interface LeaseOptions {
  readonly tree: Tree;
  readonly pool: string;
  readonly node: string;
  readonly self: ProcessIdentity;
  readonly log: Logger;
  readonly times?: LeaseTimes;
  /** Stops waiting for another holder. */
  readonly signal: AbortSignal;
  /** Told while another one holds the lease. */
  readonly onWaiting: (holder: string) => void;
}

const delay = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(unavailable('the pool is being closed'));
    });
  });

async function readLease(tree: Tree): Promise<LeaseFile | undefined> {
  const data = await tree.readFile(LEASE_FILE, 64 * 1024);
  if (data === undefined) return undefined;
  try {
    const parsed = v.safeParse(leaseSchema, JSON.parse(data.toString('utf8')));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

/** The highest epoch that has a fence; undefined on a pool that never had a holder. */
async function currentEpoch(tree: Tree): Promise<number | undefined> {
  const entries = (await tree.list(LEASES_DIRECTORY)) ?? [];
  const epochs = entries.flatMap(({ name }) => {
    const match = FENCE.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  return epochs.length === 0 ? undefined : Math.max(...epochs);
}

const fencePath = (epoch: number): string => `${LEASES_DIRECTORY}/controller.${epoch}`;

/** Takes the fence to the next epoch; undefined when a rival was first. */
async function advance(tree: Tree, epoch: number | undefined): Promise<number | undefined> {
  if (epoch === undefined) return (await tree.mkdir(fencePath(1), 0o700)) ? 1 : undefined;
  return (await tree.rename(fencePath(epoch), fencePath(epoch + 1))) ? epoch + 1 : undefined;
}

/** True when the holder cannot act any more, known for certain and not by a clock: it said so, or its process is gone. */
async function isGone(lease: LeaseFile, self: ProcessIdentity): Promise<boolean> {
  const { holder } = lease;
  const isSelf = holder.machineId === self.machineId && holder.bootId === self.bootId && holder.pid === self.pid;
  // This very process held it in an earlier session of the pool, which has ended: one process opens a pool once.
  if (isSelf && holder.pidNamespace === self.pidNamespace && holder.startTime === self.startTime) return true;
  return lease.released || (await isKnownDead(holder, self));
}

/** What can be told of the lease without waiting. */
export interface LeaseState {
  /** Who holds it and may still act; absent: nobody, for all that is known. */
  readonly holder?: string | undefined;
  /** ISO 8601, UTC, by the clock of the holder. */
  readonly renewedAt?: string | undefined;
  /** Directories of epochs; more than one is what no sequence of crashes leaves. */
  readonly fences: number;
}

/** Looks at the lease of a pool and changes nothing. */
export async function lookAtLease(tree: Tree, self: ProcessIdentity): Promise<LeaseState> {
  const entries = (await tree.list(LEASES_DIRECTORY)) ?? [];
  const fences = entries.filter(({ name }) => FENCE.test(name)).length;
  const lease = await readLease(tree);
  if (fences === 0) return { fences };
  if (lease === undefined) return { fences, holder: 'a controller that has not said its name yet' };
  const { renewedAt, holder } = lease;
  if (await isGone(lease, self)) return { fences, renewedAt };
  return { fences, renewedAt, holder: `${holder.node} (pid ${holder.pid}, renewed ${renewedAt})` };
}

/** The right to change one pool, for as long as it is renewed. */
export class Lease {
  readonly epoch: number;
  /** The fence: temporary files and moves of this holder start here. */
  readonly directory: string;
  readonly #options: LeaseOptions;
  readonly #times: LeaseTimes;
  readonly #token: string;
  #sequence = 0;
  #validUntil = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #onLost: (error: Error) => void = () => undefined;

  private constructor(epoch: number, token: string, options: LeaseOptions) {
    this.epoch = epoch;
    this.directory = fencePath(epoch);
    this.#token = token;
    this.#options = options;
    this.#times = options.times ?? LEASE_TIMES;
  }

  /**
   * Waits until the lease can be had and takes it: at once from nobody, from a holder that released it or whose
   * process is known dead, else after `takeOverAfter` without a renewal.
   */
  static async acquire(options: LeaseOptions): Promise<Lease> {
    const times = options.times ?? LEASE_TIMES;
    let seen = '';
    let seenAt = performance.now();
    for (;;) {
      const epoch = await currentEpoch(options.tree);
      const lease = await readLease(options.tree);
      const state = `${epoch ?? 0}/${lease?.token ?? ''}/${lease?.sequence ?? 0}`;
      if (state !== seen) {
        seen = state;
        seenAt = performance.now();
      }
      // A fence without a readable lease is a holder that died (or is) between the two steps below: only time tells.
      const free =
        epoch === undefined || (lease !== undefined && lease.epoch === epoch && (await isGone(lease, options.self)));
      if (free || performance.now() - seenAt > times.takeOverAfter) {
        const next = await advance(options.tree, epoch);
        if (next !== undefined) return Lease.#begin(next, options);
      } else if (lease !== undefined) {
        options.onWaiting(`${lease.holder.node} (pid ${lease.holder.pid}, renewed ${lease.renewedAt})`);
      }
      await delay(Math.min(1_000, times.renewEvery), options.signal);
    }
  }

  static async #begin(epoch: number, options: LeaseOptions): Promise<Lease> {
    const lease = new Lease(epoch, randomUUID(), options);
    await lease.#renew();
    lease.#schedule();
    return lease;
  }

  /** Called once, when it is known that somebody else took over. */
  onLost(listener: (error: Error) => void): void {
    this.#onLost = listener;
  }

  /** @throws KayalError UNAVAILABLE when the lease is not held at this moment */
  assertHeld(): void {
    if (!this.#closed && performance.now() < this.#validUntil) return;
    throw unavailable(
      `this controller does not hold the lease of pool ${this.#options.pool} at the moment; retry, the holder will answer`,
    );
  }

  /** A path for a temporary file inside the fence. */
  temporary(name: string): string {
    return `${this.directory}/tmp-${name}`;
  }

  async #renew(released = false): Promise<void> {
    const started = performance.now();
    const { self, tree, node } = this.#options;
    this.#sequence++;
    const file: LeaseFile = {
      epoch: this.epoch,
      token: this.#token,
      sequence: this.#sequence,
      released,
      holder: { node, ...self },
      renewedAt: new Date().toISOString(),
    };
    await tree.replaceFile(this.temporary('lease'), LEASE_FILE, Buffer.from(`${JSON.stringify(file)}\n`));
    this.#validUntil = started + this.#times.validFor;
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      void this.#tick();
    }, this.#times.renewEvery);
    this.#timer.unref();
  }

  async #tick(): Promise<void> {
    try {
      await this.#renew();
    } catch (error) {
      if (this.#closed) return;
      if (isErrno(error, 'ENOENT', 'ESTALE')) {
        this.#lose(unavailable(`the lease of pool ${this.#options.pool} was taken over by another controller`));
        return;
      }
      this.#options.log.warn({ error: messageOf(error) }, 'lease not renewed');
      if (performance.now() > this.#validUntil) {
        this.#lose(unavailable(`the lease of pool ${this.#options.pool} could not be renewed: ${messageOf(error)}`));
        return;
      }
    }
    if (!this.#closed) this.#schedule();
  }

  #lose(error: Error): void {
    this.#closed = true;
    this.#onLost(error);
  }

  /** Stops renewing; with `release` the next controller need not wait. */
  async close(release: boolean): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#closed = true;
    if (!release) return;
    try {
      await this.#renew(true);
    } catch (error) {
      this.#options.log.warn(
        { error: messageOf(error) },
        'lease not released; the next controller waits for its expiry',
      );
    }
  }
}
