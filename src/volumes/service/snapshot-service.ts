import { createHash } from 'node:crypto';
import { aborted, alreadyExists, failedPrecondition, invalidArgument, notFound } from '../../base/errors.js';
import { assertNotRead } from '../pool/content-source.js';
import type { ControlledPool } from './controlled-pool.js';
import { formatHandle, parseHandle, volumeIdOf, type Handle } from '../records/handle.js';
import type { Session } from '../pool/session.js';
import { snapshotKey } from '../records/snapshot-catalog.js';
import { listSnapshots, type SnapshotPage, type SnapshotQuery } from './snapshot-list.js';
import type { SnapshotGroup, SnapshotRecord } from '../records/snapshot-record.js';
import { beginSnapshot, startSnapshot, trashSnapshot, type WantedSnapshot } from '../life/snapshots.js';
import { poolNotConfigured } from './pool-not-configured.js';

/** How long a call waits for a copy, in ms; with what else it does it is to answer within 5 s. */
export const COPY_WAIT = 4_500;

export interface GroupSnapshot {
  readonly handle: string;
  readonly createdAt: string;
  readonly members: readonly SnapshotRecord[];
}

/** Snapshots over all pools: finds the pool, takes the locks, leaves the rest to the pool. */
export class SnapshotService {
  readonly #pools: () => ReadonlyMap<string, ControlledPool>;

  constructor(pools: () => ReadonlyMap<string, ControlledPool>) {
    this.#pools = pools;
  }

  /**
   * Takes a snapshot of a volume or finds it taken. It is a point in time only when the copy is complete: until then ABORTED.
   * @throws KayalError
   */
  async create(name: string, source: string): Promise<SnapshotRecord> {
    const { session, id: sourceId } = await this.#find(source, 'volume');
    this.#assertNotInOtherPool(session, name);
    return this.#take(session, { name, source: formatHandle({ pool: session.config.name, id: sourceId }), sourceId });
  }

  async #take(session: Session, wanted: WantedSnapshot, waitMs = COPY_WAIT): Promise<SnapshotRecord> {
    const id = volumeIdOf(wanted.name);
    const record = await this.#begin(session, wanted);
    if (record.state === 'ready') return record;
    const handle = formatHandle(record);
    await session.jobs.wait(snapshotKey(id), waitMs, `snapshot ${handle}`);
    const taken = session.snapshots.get(id);
    if (taken?.state !== 'ready') throw aborted(`snapshot ${handle} is not taken yet; retry`);
    return taken;
  }

  /** Begins it, and the copy. A former attempt's failure is told first. */
  async #begin(session: Session, wanted: WantedSnapshot): Promise<SnapshotRecord> {
    const id = volumeIdOf(wanted.name);
    return this.#locked(session, id, async () => {
      if (!session.jobs.isRunning(snapshotKey(id))) session.jobs.throwFailure(snapshotKey(id));
      const record = await beginSnapshot(session, wanted);
      if (record.state === 'creating') startSnapshot(session, id);
      return record;
    });
  }

  /** A snapshot lies in the pool of its source: one of the same name elsewhere is of another source. */
  #assertNotInOtherPool(session: Session, name: string): void {
    const id = volumeIdOf(name);
    for (const pool of this.#pools().values()) {
      if (pool.config.name === session.config.name) continue;
      const other = pool.seenSnapshots()?.get(id);
      if (other === undefined) continue;
      throw alreadyExists(`snapshot ${formatHandle(other)} exists and is another one: of ${other.source}`);
    }
  }

  /**
   * Deletes a snapshot; OK when there is none.
   * @throws KayalError FAILED_PRECONDITION while a volume is made from it, or when its pool is not configured
   */
  async delete(handle: string): Promise<void> {
    const parsed = parseHandle(handle);
    if (parsed === undefined) return;
    const pool = this.#pools().get(parsed.pool);
    if (pool === undefined) throw poolNotConfigured('snapshot', handle, parsed.pool);
    const session = await pool.session();
    const group = session.snapshots.get(parsed.id)?.group;
    if (group !== undefined) {
      throw failedPrecondition(
        `snapshot ${handle} belongs to group snapshot ${formatHandle({ ...parsed, id: group.id })}: delete the group`,
      );
    }
    await this.#delete(session, parsed.id);
  }

  async #delete(session: Session, id: string): Promise<void> {
    await this.#locked(session, id, async () => {
      const damaged = session.snapshots.damagedRecord(id);
      if (damaged !== undefined) throw damaged;
      const record = session.snapshots.get(id);
      if (record === undefined) {
        await session.jobs.cancel(snapshotKey(id));
        return;
      }
      this.#assertNotRead(record);
      await session.jobs.cancel(snapshotKey(id));
      // The job may have ended just before, and changed the record.
      await trashSnapshot(session, session.snapshots.get(id) ?? record);
    });
  }

  #assertNotRead(record: SnapshotRecord): void {
    const open = [...this.#pools().values()].flatMap((pool) => pool.current() ?? []);
    assertNotRead(open, { kind: 'snapshot', handle: formatHandle(record) });
  }

  /** @throws KayalError NOT_FOUND */
  async get(handle: string): Promise<SnapshotRecord> {
    const { session, id } = await this.#find(handle, 'snapshot');
    const damaged = session.snapshots.damagedRecord(id);
    if (damaged !== undefined) throw damaged;
    const record = session.snapshots.get(id);
    if (record?.state !== 'ready') {
      throw notFound(`snapshot ${handle} does not exist${record === undefined ? '' : ` (it is ${record.state})`}`);
    }
    return record;
  }

  list(query: SnapshotQuery): SnapshotPage {
    return listSnapshots(this.#pools().values(), query);
  }

  /**
   * Takes snapshots of several volumes of one pool at the same time, or finds them taken.
   * @throws KayalError INVALID_ARGUMENT when they are not in one pool
   */
  async createGroup(name: string, sources: readonly string[]): Promise<GroupSnapshot> {
    const sorted = [...new Set(sources)].sort();
    const [first, ...others] = await Promise.all(sorted.map((source) => this.#find(source, 'volume')));
    if (first === undefined) throw invalidArgument('source_volume_ids: is empty; a group has at least one volume');
    const { session } = first;
    const stranger = others.find((other) => other.session !== session);
    if (stranger !== undefined) {
      throw invalidArgument(
        `source_volume_ids: volumes of pools ${session.config.name} and ${stranger.session.config.name}; a group snapshot is of one pool`,
      );
    }
    this.#assertNotInOtherPool(session, name);
    const group = this.#groupOf(session, name, sorted);
    const until = performance.now() + COPY_WAIT;
    // All begin before any is awaited.
    const wanted = sorted.map((source) => ({
      name: memberName(name, source),
      source,
      sourceId: parseHandle(source)?.id ?? '',
      group,
    }));
    for (const member of wanted) await this.#begin(session, member);
    const members = await Promise.all(
      wanted.map((member) => this.#take(session, member, Math.max(0, until - performance.now()))),
    );
    return { handle: formatHandle({ pool: session.config.name, id: group.id }), createdAt: group.createdAt, members };
  }

  /** The group as its members that exist already have it. @throws KayalError ALREADY_EXISTS for one of other volumes */
  #groupOf(session: Session, name: string, sources: readonly string[]): SnapshotGroup {
    const id = volumeIdOf(name);
    const [member] = membersOf(session, id);
    if (member?.group === undefined) return { id, name, sources, createdAt: new Date().toISOString() };
    if (member.group.name === name && member.group.sources.join() === sources.join()) return member.group;
    throw alreadyExists(
      `group snapshot ${session.config.name}/${id} exists and is of other volumes: ${member.group.sources.join(', ')}`,
    );
  }

  /** @param snapshots what the CO takes for its members; empty: not checked. @throws KayalError NOT_FOUND, INVALID_ARGUMENT */
  async getGroup(handle: string, snapshots: readonly string[]): Promise<GroupSnapshot> {
    const { session, id } = await this.#find(handle, 'group snapshot');
    const members = membersOf(session, id);
    const group = members[0]?.group;
    const isWhole = members.length === group?.sources.length && members.every(({ state }) => state === 'ready');
    if (group === undefined || !isWhole) throw notFound(`group snapshot ${handle} does not exist, or not as a whole`);
    checkMembers(handle, members, snapshots);
    return { handle, createdAt: group.createdAt, members };
  }

  /** Deletes a group with its snapshots; OK when there is none. @throws KayalError FAILED_PRECONDITION, INVALID_ARGUMENT */
  async deleteGroup(handle: string, snapshots: readonly string[]): Promise<void> {
    const parsed = parseHandle(handle);
    if (parsed === undefined) return;
    const pool = this.#pools().get(parsed.pool);
    if (pool === undefined) throw poolNotConfigured('group snapshot', handle, parsed.pool);
    const session = await pool.session();
    const members = membersOf(session, parsed.id);
    if (members.length === members[0]?.group?.sources.length) checkMembers(handle, members, snapshots);
    for (const member of members) this.#assertNotRead(member);
    for (const { id } of members) await this.#delete(session, id);
  }

  async #find(handle: string, what: string): Promise<{ readonly session: Session } & Handle> {
    const parsed = parseHandle(handle);
    const pool = parsed === undefined ? undefined : this.#pools().get(parsed.pool);
    if (parsed === undefined || pool === undefined) {
      throw notFound(`${what} ${JSON.stringify(handle)} does not exist: this driver has no such pool`);
    }
    return { session: await pool.session(), ...parsed };
  }

  async #locked<T>(session: Session, id: string, work: () => Promise<T>): Promise<T> {
    const release = session.locks.tryAcquire(snapshotKey(id));
    if (release === undefined) {
      throw aborted(`another operation on snapshot ${session.config.name}/${id} is under way; retry`);
    }
    try {
      return await work();
    } finally {
      release();
    }
  }
}

/** Different for each volume, and the same at each retry. */
function memberName(group: string, source: string): string {
  return `${group}-${createHash('sha256').update(`${group}\n${source}`).digest('hex').slice(0, 32)}`;
}

function membersOf(session: Session, id: string): SnapshotRecord[] {
  return [...session.snapshots.records()]
    .filter(({ group }) => group?.id === id)
    .sort((a, b) => (a.source < b.source ? -1 : 1));
}

function checkMembers(handle: string, members: readonly SnapshotRecord[], given: readonly string[]): void {
  const own = new Set(members.map((member) => formatHandle(member)));
  if (given.length === 0 || (given.length === own.size && given.every((snapshot) => own.has(snapshot)))) return;
  throw invalidArgument(`snapshot_ids: group snapshot ${handle} consists of ${[...own].join(', ')}`);
}
