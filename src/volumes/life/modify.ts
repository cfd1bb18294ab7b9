import { applyMutableParameters, type MutableParameters } from '../requests/mutable-parameters.js';
import type { VolumeRecord } from '../records/record.js';
import { updateRecord } from '../pool/record-store.js';
import type { Session } from '../pool/session.js';

/**
 * Changes what may change in a volume. It is one write of the record, which takes effect as a whole or not at all;
 * repeating it writes nothing.
 * The caller holds the lock of the volume's id.
 * @throws KayalError INVALID_ARGUMENT, FAILED_PRECONDITION, UNAVAILABLE
 */
export async function modifyVolume(
  session: Session,
  record: VolumeRecord,
  wanted: MutableParameters,
): Promise<VolumeRecord> {
  const modified = applyMutableParameters(record, wanted);
  return modified === record ? record : updateRecord(session, modified);
}
