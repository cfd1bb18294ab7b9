import { aborted, alreadyExists, failedPrecondition, messageOf, notFound } from '../../base/errors.js';
import { maxBytes } from '../../base/units.js';
import type { CopyProgress } from '../../linux/copy-tree.js';
import { readUsage } from '../../quota/usage.js';
import { clearAttempts, copyToStaging, countPlaced, isFinal, orClear, placeCopy, withLock } from './content-copy.js';
import type { JobControl } from '../pool/content-jobs.js';
import { isReadable } from '../pool/content-source.js';
import { formatHandle, volumeIdOf } from '../records/handle.js';
import { TRASH_DATA, TRASH_DIRECTORY, TRASH_RECORD } from '../records/layout.js';
import { promisedBytesOf } from '../records/promised.js';
import type { VolumeRecord } from '../records/record.js';
import { RECORD_BUCKET_MODE } from '../pool/record-store.js';
import { change, move, type Session } from '../pool/session.js';
import { snapshotKey } from '../records/snapshot-catalog.js';
import {
  SNAPSHOT_FORMAT,
  formatSnapshot,
  snapshotDataPath,
  snapshotRecordPath,
  type SnapshotGroup,
  type SnapshotRecord,
} from '../records/snapshot-record.js';

export interface WantedSnapshot {
  readonly name: string;
  /** Handle of a volume of the session's pool. */
  readonly source: string;
  readonly sourceId: string;
  readonly group?: SnapshotGroup | undefined;
}

function assertWritable(record: SnapshotRecord): void {
  if (record.formatVersion <= SNAPSHOT_FORMAT) return;
  throw failedPrecondition(
    `the record of snapshot ${formatHandle(record)} has format ${record.formatVersion}, this Kayal writes ${SNAPSHOT_FORMAT}: use a newer Kayal to change it`,
  );
}

async function updateSnapshot(session: Session, record: SnapshotRecord): Promise<SnapshotRecord> {
  assertWritable(record);
  await change(session, () =>
    session.tree.replaceFile(
      session.lease.temporary(`snapshot-${record.id}`),
      snapshotRecordPath(record.id),
      formatSnapshot(record),
    ),
  );
  session.snapshots.put(record);
  return record;
}

/** Space that the snapshot will take, as far as that is known before the copy: the source's limit where nothing counts. */
async function usedBy(session: Session, volume: VolumeRecord): Promise<bigint> {
  const usage = await readUsage({
    tree: session.tree,
    target: { path: volume.path, projectId: volume.quota.projectId },
    mechanism: volume.quota.mechanism,
    local: session.config.type === 'directory',
  });
  return usage?.used ?? promisedBytesOf(volume);
}

/**
 * Begins a snapshot, or finds the one that was begun. Its content is copied in the background; see `startSnapshot`.
 * The caller holds the lock of the snapshot.
 * @throws KayalError ALREADY_EXISTS, NOT_FOUND, ABORTED, RESOURCE_EXHAUSTED
 */
export async function beginSnapshot(session: Session, wanted: WantedSnapshot): Promise<SnapshotRecord> {
  const id = volumeIdOf(wanted.name);
  const damaged = session.snapshots.damagedRecord(id);
  if (damaged !== undefined) throw damaged;
  const existing = session.snapshots.get(id);
  if (existing === undefined) return begin(session, id, wanted);
  const handle = formatHandle(existing);
  if (existing.state === 'deleting') throw aborted(`snapshot ${handle} is being deleted; retry`);
  if (existing.name !== wanted.name || existing.source !== wanted.source) {
    throw alreadyExists(
      `snapshot ${handle} exists and is another one: ${JSON.stringify(existing.name)} of ${existing.source}`,
    );
  }
  if (existing.group?.id !== wanted.group?.id) {
    throw alreadyExists(
      `snapshot ${handle} exists and ${existing.group ? `belongs to group ${existing.group.id}` : 'belongs to no group'}`,
    );
  }
  return existing;
}

async function begin(session: Session, id: string, wanted: WantedSnapshot): Promise<SnapshotRecord> {
  const { config, poolFile, tree, lease } = session;
  const damaged = session.catalog.damagedRecord(wanted.sourceId);
  if (damaged !== undefined) throw damaged;
  const volume = session.catalog.get(wanted.sourceId);
  if (volume?.state === 'creating') throw aborted(`volume ${wanted.source} is still being made; retry`);
  if (!isReadable(volume)) throw notFound(`volume ${wanted.source} does not exist`);
  const path = snapshotDataPath(id);
  if ((await tree.stat(path)) !== undefined) {
    throw alreadyExists(`${path} of pool ${config.name} holds data that belongs to no snapshot; see "kayal doctor"`);
  }
  lease.assertHeld();
  const usedBytes = await usedBy(session, volume);
  const release = await session.capacity.reserve(snapshotKey(id), usedBytes);
  try {
    const record: SnapshotRecord = {
      formatVersion: SNAPSHOT_FORMAT,
      type: 'snapshot',
      id,
      name: wanted.name,
      pool: config.name,
      poolId: poolFile.id,
      source: wanted.source,
      path,
      volumeType: volume.type,
      fsType: volume.fsType,
      sizeBytes: volume.limitBytes,
      usedBytes,
      sharedBytes: 0n,
      state: 'creating',
      group: wanted.group,
      createdAt: new Date().toISOString(),
      unknownFields: {},
    };
    const made = await change(session, () =>
      tree.createFile(
        lease.temporary(`snapshot-${id}`),
        snapshotRecordPath(id),
        formatSnapshot(record),
        RECORD_BUCKET_MODE,
      ),
    );
    if (!made) {
      session.fail(new Error(`the record of snapshot ${id} appeared on disk without this controller`));
      throw aborted(`snapshot ${config.name}/${id} has a record that this controller had not seen; retry`);
    }
    session.snapshots.put(record);
    return record;
  } finally {
    release();
  }
}

/** Takes the snapshot that is `creating`, in the background. What cannot succeed undoes it. The key of its job is `snapshotKey`. */
export function startSnapshot(session: Session, id: string): void {
  const key = snapshotKey(id);
  session.jobs.start(key, async (control) => {
    try {
      await take(session, id, control);
    } catch (error) {
      if (control.signal.aborted) throw error;
      session.log.warn({ snapshot: id, error: messageOf(error) }, 'a snapshot could not be taken');
      if (isFinal(error)) {
        await withLock(session, key, control, async () => {
          const record = session.snapshots.get(id);
          if (record?.state === 'creating') await trashSnapshot(session, record);
        });
      }
      throw error;
    }
  });
}

function mustBeCreating(session: Session, id: string): SnapshotRecord {
  const record = session.snapshots.get(id);
  if (record?.state === 'creating') return record;
  throw aborted(`snapshot ${session.config.name}/${id} is not being taken any more`);
}

async function take(session: Session, id: string, control: JobControl): Promise<void> {
  const record = session.snapshots.get(id);
  if (record?.state !== 'creating') return;
  const key = snapshotKey(id);
  const owner = { kind: 'snapshot', id } as const;
  // Nothing but a complete copy is ever moved there.
  if ((await clearAttempts(session, owner, record.path)) !== undefined) {
    const progress = await countPlaced(session, record.path, control);
    await withLock(session, key, control, () => finish(session, mustBeCreating(session, id), progress));
    return;
  }
  const staged = await copyToStaging(
    session,
    {
      ...owner,
      source: { kind: 'volume', handle: record.source },
      // What is promised to it already, and what is promised to nobody.
      budgetBytes: record.usedBytes + session.capacity.current().available,
      record: (progress) => recordProgress(session, id, progress),
    },
    control,
  );
  await orClear(
    session,
    () => clearAttempts(session, owner, record.path),
    () =>
      withLock(session, key, control, () => {
        const current = mustBeCreating(session, id);
        return placeCopy(session, staged, current.path, () => finish(session, current, staged.progress));
      }),
  );
}

function withProgress(record: SnapshotRecord, { entries, written, cloned }: CopyProgress): SnapshotRecord {
  return { ...record, progress: { entries, bytes: String(written + cloned) } };
}

async function recordProgress(session: Session, id: string, progress: CopyProgress): Promise<void> {
  const release = session.locks.tryAcquire(snapshotKey(id));
  if (release === undefined) return;
  try {
    const record = session.snapshots.get(id);
    if (record?.state === 'creating') await updateSnapshot(session, withProgress(record, progress));
  } finally {
    release();
  }
}

async function finish(session: Session, record: SnapshotRecord, { written, cloned }: CopyProgress): Promise<void> {
  const source = session.catalog.get(record.source.slice(record.source.indexOf('/') + 1));
  // Where nothing counts what a volume uses, the copy has.
  const isCounted = source !== undefined && source.quota.mechanism !== 'none';
  const usedBytes = isCounted ? maxBytes(record.usedBytes, written + cloned) : written + cloned;
  const whole = { ...record, usedBytes, sharedBytes: cloned, progress: undefined };
  observeSnapshot(session, await updateSnapshot(session, { ...whole, state: 'ready' }));
}

/** Tells the pool's capacity what part of its data is this snapshot. */
export function observeSnapshot({ capacity }: Pick<Session, 'capacity'>, record: SnapshotRecord): void {
  capacity.observeVolume(snapshotKey(record.id), maxBytes(0n, record.usedBytes - record.sharedBytes));
}

/**
 * Deletes a snapshot, or finishes doing so: it goes to the trash with its record. The caller holds its lock, has ended its
 * job, and has made sure that nobody reads it.
 * @throws KayalError FAILED_PRECONDITION, UNAVAILABLE
 */
export async function trashSnapshot(session: Session, given: SnapshotRecord): Promise<void> {
  assertWritable(given);
  const { tree, lease, catalog, capacity, snapshots } = session;
  if (given.state === 'creating') await clearAttempts(session, { kind: 'snapshot', id: given.id }, given.path);
  const record =
    given.state === 'deleting'
      ? given
      : await updateSnapshot(session, { ...given, state: 'deleting', deletedAt: new Date().toISOString() });
  const name = `snapshot~${record.id}-${(record.deletedAt ?? '').replaceAll(/[^0-9]/g, '')}`;
  const staging = `${lease.directory}/${name}`;
  await change(session, () => tree.mkdir(staging, 0o700));
  await move(session, record.path, `${staging}/${TRASH_DATA}`);
  await move(session, snapshotRecordPath(record.id), `${staging}/${TRASH_RECORD}`);
  await move(session, staging, `${TRASH_DIRECTORY}/${name}`);
  catalog.putTrash({ name, limitBytes: record.usedBytes });
  snapshots.remove(record.id);
  capacity.renameVolume(snapshotKey(record.id), name);
  session.purgeSoon();
}
