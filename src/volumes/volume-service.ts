import {
  type KayalError,
  aborted,
  failedPrecondition,
  invalidArgument,
  notFound,
  unavailable,
} from '../base/errors.js';
import { KeyLock } from '../base/key-lock.js';
import { maxBytes } from '../base/units.js';
import type { PoolConfig } from '../pools/types.js';
import type { ControlledPool } from './controlled-pool.js';
import { createVolume, type CapacityRange, type WantedVolume } from './create.js';
import { deleteVolume } from './delete.js';
import { expandVolume } from './expand.js';
import { formatHandle, parseHandle, volumeIdOf, type Handle } from './handle.js';
import type { VolumeRecord } from './record.js';
import type { Session } from './session.js';

export interface VolumeServiceOptions {
  /** Every pool of the config, by name. */
  readonly pools: () => ReadonlyMap<string, PoolConfig>;
  /** The pools that this controller manages: all but the static-only ones. */
  readonly controlled: () => ReadonlyMap<string, ControlledPool>;
  /** True when a pod of this very machine uses the volume, where that can be known. */
  readonly isPublished: (record: VolumeRecord) => Promise<boolean>;
}

/** What can be made in a pool, in bytes. */
export interface Available {
  readonly availableBytes: bigint;
  readonly largestVolumeBytes: bigint;
  readonly minimumVolumeBytes: bigint;
}

/** Volumes over all pools: finds the pool, takes the locks, leaves the rest to the pool. */
export class VolumeService {
  readonly #options: VolumeServiceOptions;
  readonly #names = new KeyLock();

  constructor(options: VolumeServiceOptions) {
    this.#options = options;
  }

  /** Makes the volume or finds it made. @throws KayalError */
  async create(wanted: WantedVolume): Promise<VolumeRecord> {
    const release = this.#names.tryAcquire(wanted.name);
    if (release === undefined) throw aborted(`volume ${JSON.stringify(wanted.name)} is being made; retry`);
    try {
      const candidates = this.#candidates(wanted.parameters.pools);
      const session = (await this.#holderOf(candidates, wanted.name)) ?? (await this.#roomiest(candidates));
      return await this.#locked(session, volumeIdOf(wanted.name), () => createVolume(session, wanted));
    } finally {
      release();
    }
  }

  /** Deletes the volume; OK when there is none. @throws KayalError FAILED_PRECONDITION while a pod here uses it */
  async delete(handle: string): Promise<void> {
    const parsed = parseHandle(handle);
    const pool = parsed === undefined ? undefined : this.#options.controlled().get(parsed.pool);
    if (parsed === undefined || pool === undefined) return;
    const session = await pool.session();
    await this.#locked(session, parsed.id, async () => {
      const damaged = session.catalog.damagedRecord(parsed.id);
      if (damaged !== undefined) throw damaged;
      const record = session.catalog.get(parsed.id);
      if (record === undefined) return;
      if (await this.#options.isPublished(record)) {
        throw failedPrecondition(`volume ${handle} is in use on this node: unpublish it first`);
      }
      await deleteVolume(session, record);
    });
  }

  /** @returns the volume as it is after the call, at least as large as asked for */
  async expand(handle: string, range: CapacityRange): Promise<VolumeRecord> {
    const { session, id } = await this.#find(handle);
    return this.#locked(session, id, async () => expandVolume(session, this.#existing(session, handle, id), range));
  }

  /** The volume's record. @throws KayalError NOT_FOUND for one that is unknown or gone for the CO */
  async get(handle: string): Promise<VolumeRecord> {
    const { session, id } = await this.#find(handle);
    return this.#existing(session, handle, id);
  }

  /** Room in the given pools together, and in the roomiest of them; all pools when none is named. */
  async available(pools: readonly string[]): Promise<Available> {
    const names = pools.length > 0 ? pools : [...this.#options.controlled().keys()];
    const result = { availableBytes: 0n, largestVolumeBytes: 0n, minimumVolumeBytes: 0n };
    for (const pool of this.#candidates(names)) {
      const session = await pool.session();
      await session.capacity.refresh();
      const { available } = session.capacity.current();
      result.availableBytes += available;
      result.largestVolumeBytes = maxBytes(result.largestVolumeBytes, available);
      result.minimumVolumeBytes = maxBytes(result.minimumVolumeBytes, session.mechanism.minimumBytes);
    }
    return result;
  }

  async #find(handle: string): Promise<{ session: Session; id: string }> {
    const parsed = parseHandle(handle);
    const pool = parsed === undefined ? undefined : this.#options.controlled().get(parsed.pool);
    if (parsed === undefined || pool === undefined) throw this.#unknown(handle, parsed);
    return { session: await pool.session(), id: parsed.id };
  }

  #unknown(handle: string, parsed: Handle | undefined): KayalError {
    if (parsed === undefined) return notFound(`volume ${JSON.stringify(handle)} is not a handle of this driver`);
    const known = [...this.#options.pools().keys()].join(', ');
    return notFound(`volume ${handle}: pool ${parsed.pool} is not in the configuration (pools: ${known})`);
  }

  #existing(session: Session, handle: string, id: string): VolumeRecord {
    const damaged = session.catalog.damagedRecord(id);
    if (damaged !== undefined) throw damaged;
    const record = session.catalog.get(id);
    if (record === undefined || (record.state !== 'ready' && record.state !== 'expanding')) {
      throw notFound(`volume ${handle} does not exist${record === undefined ? '' : ` (it is ${record.state})`}`);
    }
    return record;
  }

  async #locked<T>(session: Session, id: string, work: () => Promise<T>): Promise<T> {
    const release = session.locks.tryAcquire(id);
    if (release === undefined) {
      throw aborted(
        `another operation on volume ${formatHandle({ pool: session.config.name, id })} is under way; retry`,
      );
    }
    try {
      return await work();
    } finally {
      release();
    }
  }

  #candidates(names: readonly string[]): ControlledPool[] {
    const pools = this.#options.pools();
    const known = [...pools.keys()].join(', ');
    if (names.length === 0) {
      const [only, ...others] = [...this.#options.controlled().values()];
      if (only !== undefined && others.length === 0) return [only];
      throw invalidArgument(
        only === undefined
          ? 'no pool is configured that volumes can be made in'
          : `parameter pool: is missing, and there are several pools: ${known}`,
      );
    }
    return names.map((name) => {
      if (!pools.has(name)) throw invalidArgument(`parameter pool: ${name} is unknown; pools are ${known}`);
      const pool = this.#options.controlled().get(name);
      if (pool === undefined)
        throw failedPrecondition(`parameter pool: ${name} holds static volumes only (staticOnly)`);
      return pool;
    });
  }

  /** The pool that has a volume of this name from an earlier attempt. */
  async #holderOf(candidates: readonly ControlledPool[], name: string): Promise<Session | undefined> {
    const id = volumeIdOf(name);
    for (const pool of candidates) {
      const session = pool.current();
      const catalog = session?.catalog ?? pool.seenCatalog();
      // A pool never seen might have it: making another one elsewhere would leave that one behind.
      if (catalog === undefined) {
        if ((await pool.session()).catalog.get(id) !== undefined) return pool.session();
      } else if (catalog.get(id) !== undefined || catalog.damagedRecord(id) !== undefined) return pool.session();
    }
    return undefined;
  }

  async #roomiest(candidates: readonly ControlledPool[]): Promise<Session> {
    const [first] = candidates;
    if (candidates.length === 1 && first !== undefined) return first.session();
    let best: { session: Session; available: bigint } | undefined;
    for (const pool of candidates) {
      const session = pool.current();
      if (session === undefined) continue;
      await session.capacity.refresh();
      const { available } = session.capacity.current();
      if (best === undefined || available > best.available) best = { session, available };
    }
    if (best === undefined) {
      const reasons = candidates.map((pool) => `${pool.config.name}: ${pool.reason()}`);
      throw unavailable(`none of the pools is available (${reasons.join('; ')})`);
    }
    return best.session;
  }
}
