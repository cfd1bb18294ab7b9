import {
  type KayalError,
  aborted,
  failedPrecondition,
  invalidArgument,
  notFound,
  unavailable,
} from '../../base/errors.js';
import { KeyLock } from '../../base/key-lock.js';
import { maxBytes } from '../../base/units.js';
import type { PoolConfig } from '../../pools/types.js';
import { conditionOf } from '../health/condition.js';
import type { ControlledPool } from './controlled-pool.js';
import { createVolume, type CapacityRange, type WantedVolume } from '../life/create.js';
import { assertNotRead } from '../pool/content-source.js';
import { deleteVolume } from '../life/delete.js';
import { expandVolume } from '../life/expand.js';
import { formatHandle, parseHandle, volumeIdOf, type Handle } from '../records/handle.js';
import { isListed, type ListedVolume } from './list.js';
import { lookAt } from '../health/look.js';
import { modifyVolume } from '../life/modify.js';
import type { MutableParameters } from '../requests/mutable-parameters.js';
import type { VolumeRecord } from '../records/record.js';
import type { Session } from '../pool/session.js';
import { COPY_WAIT } from './snapshot-service.js';
import { volumeJob } from '../life/volume-content.js';

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
      const candidates = this.#candidates(this.#poolsFor(wanted));
      const session = (await this.#holderOf(candidates, wanted.name)) ?? (await this.#roomiest(candidates));
      const id = volumeIdOf(wanted.name);
      const record = await this.#locked(session, id, () => createVolume(session, wanted));
      return record.state === 'creating' ? await this.#filled(session, record) : record;
    } finally {
      release();
    }
  }

  /** Waits a while for a volume's content. @throws KayalError ABORTED while it is being copied; why it cannot be */
  async #filled(session: Session, { id }: VolumeRecord): Promise<VolumeRecord> {
    const handle = formatHandle({ pool: session.config.name, id });
    await session.jobs.wait(volumeJob(id), COPY_WAIT, `volume ${handle}`);
    const record = session.catalog.get(id);
    if (record === undefined || record.state === 'creating') throw aborted(`volume ${handle} is not filled yet; retry`);
    return record;
  }

  /** Where a volume with a source is made, when no pool is asked for: beside its source. */
  #poolsFor({ parameters, content }: WantedVolume): readonly string[] {
    const source = content === undefined ? undefined : parseHandle(content.handle)?.pool;
    if (parameters.pools.length > 0 || source === undefined) return parameters.pools;
    return this.#options.controlled().has(source) ? [source] : [];
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
      const open = [...this.#options.controlled().values()].flatMap((other) => other.current() ?? []);
      assertNotRead(open, { kind: 'volume', handle: formatHandle(record) });
      await session.jobs.cancel(volumeJob(parsed.id));
      const current = session.catalog.get(parsed.id);
      if (current !== undefined) await deleteVolume(session, current);
    });
  }

  /** @returns the volume as it is after the call, at least as large as asked for */
  async expand(handle: string, range: CapacityRange): Promise<VolumeRecord> {
    const { session, id } = await this.#find(handle);
    return this.#locked(session, id, async () => expandVolume(session, this.#existing(session, handle, id), range));
  }

  /** Changes what a VolumeAttributesClass may change. @throws KayalError INVALID_ARGUMENT, NOT_FOUND */
  async modify(handle: string, wanted: MutableParameters): Promise<VolumeRecord> {
    const { session, id } = await this.#find(handle);
    return this.#locked(session, id, async () => modifyVolume(session, this.#existing(session, handle, id), wanted));
  }

  /** The volume's record. @throws KayalError NOT_FOUND for one that is unknown or gone for the CO */
  async get(handle: string): Promise<VolumeRecord> {
    const { session, id } = await this.#find(handle);
    return this.#existing(session, handle, id);
  }

  /**
   * The volume and its condition. Where its pool is down, or its record damaged, that is the condition and not an error.
   * @throws KayalError NOT_FOUND
   */
  async look(handle: string, pendingHeals: number | undefined): Promise<ListedVolume> {
    const parsed = parseHandle(handle);
    const pool = parsed === undefined ? undefined : this.#options.controlled().get(parsed.pool);
    if (parsed === undefined || pool === undefined) throw this.#unknown(handle, parsed);
    const { pool: name, id } = parsed;
    const session = pool.current();
    const catalog = session?.catalog ?? pool.listedCatalog();
    const damaged = catalog?.damagedRecord(id);
    if (damaged !== undefined) return { handle, condition: conditionOf({ pool: name, problem: damaged.message }) };
    const record = catalog?.get(id);
    if (session === undefined && record !== undefined && isListed(record)) {
      const problem = `pool ${name} is not available: ${pool.reason()}`;
      return { handle, record, condition: conditionOf({ pool: name, record, problem, pendingHeals }) };
    }
    const existing = await this.get(handle);
    const facts = await lookAt(await pool.session(), existing);
    return {
      handle,
      record: existing,
      condition: conditionOf({ pool: name, record: existing, pendingHeals, ...facts }),
    };
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
