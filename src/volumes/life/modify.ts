import { checkInodeLimit } from '../pool/limits.js';
import { updateRecord } from '../pool/record-store.js';
import type { Session } from '../pool/session.js';
import type { VolumeRecord } from '../records/record.js';
import { applyMutableParameters, type MutableParameters } from '../requests/mutable-parameters.js';
import { expandToRecord } from './expand-to-record.js';

/**
 * Changes what may change in a volume. It is one write of the record, which takes effect as a whole or not at all;
 * repeating it writes nothing. A limit that the mechanism keeps is on record first, as `expanding`, and then set: whatever
 * cuts the call off, the next one or the next start sets it.
 * The caller holds the lock of the volume's id.
 * @throws KayalError INVALID_ARGUMENT, FAILED_PRECONDITION, UNAVAILABLE
 */
export async function modifyVolume(
  session: Session,
  record: VolumeRecord,
  wanted: MutableParameters,
): Promise<VolumeRecord> {
  const modified = applyMutableParameters(record, wanted);
  if (modified === record) {
    // On record since a call that was cut off: it may not be in force yet.
    const isUnfinished = record.state === 'expanding' && wanted.inodeLimit !== undefined;
    return isUnfinished ? expandToRecord(session, record) : record;
  }
  checkInodeLimit(session, modified);
  const isLimited = modified.inodeLimit !== record.inodeLimit;
  // One that is being made gets all of its limits afterwards.
  if (!isLimited || record.state === 'creating') return updateRecord(session, modified);
  return expandToRecord(session, await updateRecord(session, { ...modified, state: 'expanding' }));
}
