import { growImage } from '../pool/images.js';
import { setLimit } from '../pool/limits.js';
import { updateRecord } from '../pool/record-store.js';
import type { Session } from '../pool/session.js';
import type { VolumeRecord } from '../records/record.js';
import { isImage } from '../requests/volume-shape.js';

/** Sets the limits that the record of an expanding volume already has; an image then gets that size, in use or not. */
export async function expandToRecord(session: Session, record: VolumeRecord): Promise<VolumeRecord> {
  await setLimit(session, record, record.path);
  if (isImage(record)) await growImage(session, record);
  return updateRecord(session, { ...record, state: 'ready' });
}
