import { failedPrecondition } from '../../base/errors.js';
import { chooseLimit, type CapacityRange } from './create.js';
import { expandToRecord } from './expand-to-record.js';
import { formatHandle } from '../records/handle.js';
import { promisedBytesOf } from '../records/promised.js';
import type { VolumeRecord } from '../records/record.js';
import { updateRecord } from '../pool/record-store.js';
import type { Session } from '../pool/session.js';

/**
 * Grows a volume's limit; one that has enough already stays as it is. The record has the new limit before it is set,
 * so that the capacity is never promised twice; whatever cuts the call off, the next one or the next start sets it.
 * The caller holds the lock of the volume's id.
 * @throws KayalError RESOURCE_EXHAUSTED, OUT_OF_RANGE, FAILED_PRECONDITION
 */
export async function expandVolume(
  session: Session,
  record: VolumeRecord,
  range: CapacityRange,
): Promise<VolumeRecord> {
  if (record.state === 'expanding') return expandVolume(session, await expandToRecord(session, record), range);
  if (record.state !== 'ready') {
    throw failedPrecondition(`volume ${formatHandle(record)} is ${record.state}, not ready: it cannot be expanded`);
  }
  const limitBytes = chooseLimit(range, session.mechanism.minimumBytes);
  if (limitBytes <= record.limitBytes) return record;
  const release = await session.capacity.reserve(
    record.id,
    promisedBytesOf({ ...record, limitBytes }) - promisedBytesOf(record),
  );
  let expanding: VolumeRecord;
  try {
    expanding = await updateRecord(session, { ...record, limitBytes, state: 'expanding' });
  } finally {
    release();
  }
  return expandToRecord(session, expanding);
}
