import { failedPrecondition } from '../../base/errors.js';
import { formatHandle } from '../records/handle.js';
import { ARCHIVE_DIRECTORY, TRASH_DATA, TRASH_DIRECTORY, TRASH_RECORD, recordPath } from '../records/layout.js';
import { promisedBytesOf } from '../records/promised.js';
import { isShown } from '../requests/volume-shape.js';
import { forgetImageLeases } from '../leases/image-lease.js';
import { isDefaultPath, releasePath } from '../pool/paths.js';
import { forgetUse } from './last-use.js';
import { discardRecordOnly, lookAtPath, mayBePlaced } from './own-directory.js';
import { clearVolumeAttempts } from './placed-copy.js';
import type { VolumeRecord } from '../records/record.js';
import { assertWritable, removeRecord, updateRecord } from '../pool/record-store.js';
import { change, move, type Session } from '../pool/session.js';

/** `<id>-<time>`, unlike any other deletion of a volume of that id. */
function entryName(id: string, deletedAt: string): string {
  return `${id}-${deletedAt.replaceAll(/[^0-9]/g, '')}`;
}

/**
 * Deletes a volume as its record says (delete, archive, retain), or finishes doing so. What is deleted goes to the
 * trash, record and all, so that its space stays promised until it is purged; the call does not wait for that.
 * The caller holds the lock of the volume's id.
 * @throws KayalError FAILED_PRECONDITION, UNAVAILABLE
 */
export async function deleteVolume(session: Session, record: VolumeRecord): Promise<void> {
  assertWritable(record);
  if (record.state === 'retained' || record.state === 'archived') return;
  if (record.imported) {
    await forgetImported(session, record);
    return;
  }
  if (record.state === 'creating') {
    await discardVolume(session, record);
    return;
  }
  if (record.state !== 'deleting' && record.onDelete === 'retain') {
    await updateRecord(session, { ...record, state: 'retained', deletedAt: new Date().toISOString() });
    return;
  }
  // A deletion that is under way goes where it set out for.
  const archive =
    record.state === 'deleting'
      ? record.movedTo?.startsWith(`${ARCHIVE_DIRECTORY}/`) === true
      : record.onDelete === 'archive';
  if (archive) await archiveVolume(session, record);
  else await trashVolume(session, record);
}

/** Undoes a volume that never became ready, with nothing to keep; somebody else's data at its path stays there. */
export async function discardVolume(session: Session, record: VolumeRecord): Promise<void> {
  const { content } = record;
  if (content !== undefined) {
    const cleared = await clearVolumeAttempts(session, { ...record, content });
    await trashVolume(session, cleared.record);
    return;
  }
  const mayBeForeign = !isDefaultPath(record.path) && (await lookAtPath(session, record)) === 'foreign';
  if (mayBeForeign) await discardRecordOnly(session, record);
  else await trashVolume(session, record);
}

/** The one record of `deleting` that is on disk, so that a retry goes on with the same names. */
async function markDeleting(
  session: Session,
  record: VolumeRecord,
  movedTo: (name: string) => string,
): Promise<VolumeRecord> {
  if (record.state === 'deleting') return record;
  const deletedAt = new Date().toISOString();
  const target = movedTo(entryName(record.id, deletedAt));
  return updateRecord(session, { ...record, state: 'deleting', deletedAt, movedTo: target });
}

/**
 * Moves a volume to the trash, also one that was kept until now.
 *
 * Both the data and the record go through a directory inside the lease's own (see lease.ts), which then moves to the
 * trash as a whole: a former holder of the lease that wakes up late can move nothing.
 */
export async function trashVolume(session: Session, given: VolumeRecord): Promise<void> {
  const { tree, lease, catalog, capacity } = session;
  const record = await markDeleting(session, given, (entry) => `${TRASH_DIRECTORY}/${entry}`);
  const name = entryName(record.id, record.deletedAt ?? '');
  const staging = `${lease.directory}/${name}`;
  await change(session, () => tree.mkdir(staging, 0o700));
  const moved = mayBePlaced(record) ? move(session, record.path, `${staging}/${TRASH_DATA}`) : undefined;
  await Promise.all([moved, forgetUse(session, record.id)]);
  await releasePath(session, record);
  if (!isShown(record)) await change(session, () => forgetImageLeases(tree, record.id));
  await move(session, recordPath(record.id), `${staging}/${TRASH_RECORD}`);
  await move(session, staging, `${TRASH_DIRECTORY}/${name}`);
  catalog.putTrash({ name, limitBytes: promisedBytesOf(record), projectId: record.quota.projectId });
  catalog.remove(record.id);
  capacity.renameVolume(record.id, name);
  session.purgeSoon();
}

/** The data moves aside, the record stays and says where; it goes on counting. */
async function archiveVolume(session: Session, given: VolumeRecord): Promise<void> {
  const { tree, lease } = session;
  const record = await markDeleting(session, given, (entry) => `${ARCHIVE_DIRECTORY}/${entry}`);
  const name = entryName(record.id, record.deletedAt ?? '');
  const target = record.movedTo ?? `${ARCHIVE_DIRECTORY}/${name}`;
  const staging = `${lease.directory}/${name}`;
  await change(session, () => tree.mkdir(staging, 0o700));
  await move(session, record.path, `${staging}/${TRASH_DATA}`);
  const arrived = await move(session, `${staging}/${TRASH_DATA}`, target);
  if (!arrived && (await tree.stat(target)) === undefined) {
    throw failedPrecondition(
      `volume ${formatHandle(record)}: its data is neither at ${record.path} nor at ${target}; see "kayal doctor"`,
    );
  }
  await change(session, () => tree.rmdir(staging));
  await releasePath(session, record);
  await updateRecord(session, { ...record, state: 'archived', path: target });
}

/** An imported directory was there before Kayal and stays: only its limit and its record go. */
async function forgetImported(session: Session, given: VolumeRecord): Promise<void> {
  const record = await markDeleting(session, given, () => given.path);
  await change(session, () => session.mechanism.clear({ path: record.path, projectId: record.quota.projectId }));
  await releasePath(session, record);
  await forgetUse(session, record.id);
  await removeRecord(session, record.id);
}
