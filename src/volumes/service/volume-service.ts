import { type KayalError, aborted, failedPrecondition, notFound } from '../../base/errors.js';
import { KeyLock } from '../../base/key-lock.js';
import { maxBytes } from '../../base/units.js';
import { conditionOf } from '../health/condition.js';
import { PoolChoice, type PoolChoiceOptions } from './choose-pool.js';
import { createVolume, type CapacityRange, type WantedVolume } from '../life/create.js';
import { assertNotRead } from '../pool/content-source.js';
import { deleteVolume } from '../life/delete.js';
import { expandVolume } from '../life/expand.js';
import { formatHandle, parseHandle, volumeIdOf, type Handle } from '../records/handle.js';
import { isListed, type ListedVolume } from './list.js';
import { takeoverJob } from '../life/image-takeover.js';
import { assertNotInUse } from '../leases/in-use.js';
import { lookAt } from '../health/look.js';
import { modifyVolume } from '../life/modify.js';
import type { MutableParameters } from '../requests/mutable-parameters.js';
import { ANYWHERE, isAllowed, type TopologyRequirement } from '../requests/topology.js';
import type { VolumeRecord } from '../records/record.js';
import type { Session } from '../pool/session.js';
import { COPY_WAIT } from './snapshot-service.js';
import { volumeJob } from '../life/volume-content.js';
import { poolNotConfigured } from './pool-not-configured.js';

export interface VolumeServiceOptions extends PoolChoiceOptions {
  /** True when a pod of this very machine uses the volume, where that can be known. */
  readonly isPublished: (record: VolumeRecord) => Promise<boolean>;
  /** Whether nodes have to be attached to a volume before they use it. */
  readonly attach: boolean;
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
  readonly #choice: PoolChoice;

  constructor(options: VolumeServiceOptions) {
    this.#options = options;
    this.#choice = new PoolChoice(options);
  }

  /** Makes the volume or finds it made. @throws KayalError */
  async create(wanted: WantedVolume): Promise<VolumeRecord> {
    const release = this.#names.tryAcquire(wanted.name);
    if (release === undefined) throw aborted(`volume ${JSON.stringify(wanted.name)} is being made; retry`);
    try {
      const session = await this.#choice.choose({
        name: wanted.name,
        pools: this.#poolsFor(wanted),
        topology: wanted.topology ?? ANYWHERE,
        requiredBytes: wanted.capacity.requiredBytes,
      });
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

  /**
   * Deletes the volume; OK when there is none.
   * @throws KayalError FAILED_PRECONDITION while a pod here uses it, or when its pool is not configured: OK would leak it
   */
  async delete(handle: string): Promise<void> {
    const parsed = parseHandle(handle);
    if (parsed === undefined) return;
    const pool = this.#options.controlled().get(parsed.pool);
    if (pool === undefined) {
      if (this.#options.pools().has(parsed.pool)) return;
      throw poolNotConfigured('volume', handle, parsed.pool);
    }
    const session = await pool.session();
    await this.#locked(session, parsed.id, async () => {
      const damaged = session.catalog.damagedRecord(parsed.id);
      if (damaged !== undefined) throw damaged;
      const record = session.catalog.get(parsed.id);
      if (record === undefined) {
        await session.jobs.cancel(volumeJob(parsed.id));
        return;
      }
      if (record.ephemeral !== undefined) throw inlineVolume(handle);
      if (await this.#options.isPublished(record)) {
        throw failedPrecondition(`volume ${handle} is in use on this node: unpublish it first`);
      }
      if (isListed(record)) await assertNotInUse(session.tree, record, this.#options);
      const open = [...this.#options.controlled().values()].flatMap((other) => other.current() ?? []);
      assertNotRead(open, { kind: 'volume', handle: formatHandle(record) });
      await session.jobs.cancel(volumeJob(parsed.id));
      await session.jobs.cancel(takeoverJob(parsed.id));
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

  /**
   * Room in the given pools together, and in the roomiest of them; all pools when none is named.
   * @param topology the pools that are reached from there only
   */
  async available(pools: readonly string[], topology: TopologyRequirement = ANYWHERE): Promise<Available> {
    const names = pools.length > 0 ? pools : [...this.#options.controlled().keys()];
    const result = { availableBytes: 0n, largestVolumeBytes: 0n, minimumVolumeBytes: 0n };
    for (const pool of this.#choice.named(names)) {
      if (this.#choice.isElsewhere(pool) || !isAllowed(topology, this.#choice.nodeOf(pool))) continue;
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
    if (record.ephemeral !== undefined) throw inlineVolume(handle);
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
}

/** It comes and goes with its pod, as its node says. */
function inlineVolume(handle: string): KayalError {
  return failedPrecondition(`volume ${handle} is the inline volume of a pod: it goes with the pod`);
}
