import { failedPrecondition } from '../../base/errors.js';
import { recordPath } from '../records/layout.js';
import { RECORD_FORMAT, formatRecord, type VolumeRecord } from '../records/record.js';
import { change, move, type Session } from './session.js';

/** Of the directories that records are divided among. */
export const RECORD_BUCKET_MODE = 0o700;

/** @throws KayalError FAILED_PRECONDITION when the record is of a newer format than this program writes */
export function assertWritable(record: VolumeRecord): void {
  if (record.formatVersion <= RECORD_FORMAT) return;
  throw failedPrecondition(
    `the record of volume ${record.pool}/${record.id} has format ${record.formatVersion}, this Kayal writes ${RECORD_FORMAT}: use a newer Kayal to change it`,
  );
}

/** Writes the first record of a volume; false when the file exists. In memory it counts from then on. */
export async function createRecord(session: Session, record: VolumeRecord): Promise<boolean> {
  const made = await change(session, () =>
    session.tree.createFile(
      session.lease.temporary(`record-${record.id}`),
      recordPath(record.id),
      formatRecord(record),
      RECORD_BUCKET_MODE,
    ),
  );
  if (made) session.catalog.put(record);
  return made;
}

/** Replaces a volume's record, on disk first. */
export async function updateRecord(session: Session, record: VolumeRecord): Promise<VolumeRecord> {
  assertWritable(record);
  await change(session, () =>
    session.tree.replaceFile(
      session.lease.temporary(`record-${record.id}`),
      recordPath(record.id),
      formatRecord(record),
    ),
  );
  session.catalog.put(record);
  return record;
}

/** Removes a record whose data is not there or stays where it is. */
export async function removeRecord(session: Session, id: string): Promise<void> {
  // Not by unlink: one that a former holder sends late could hit the record of a new volume of that name.
  const aside = session.lease.temporary(`removed-${id}`);
  if (await move(session, recordPath(id), aside)) await change(session, () => session.tree.unlink(aside));
  session.catalog.remove(id);
}
