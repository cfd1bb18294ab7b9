/*
 * Which data at a volume's path is the volume's. Below `volumes/` nobody but Kayal makes anything; where a pathPattern leads,
 * an administrator or another program may have made the directory since the record was written.
 */
import { imageEpoch } from '../records/layout.js';
import type { VolumeRecord } from '../records/record.js';
import { isImage } from '../requests/volume-shape.js';
import { isDefaultPath, releasePath } from '../pool/paths.js';
import { removeRecord } from '../pool/record-store.js';
import type { Session } from '../pool/session.js';

/** False until a complete copy may have got its place. */
export function mayBePlaced({ content, path }: Pick<VolumeRecord, 'content' | 'path'>): boolean {
  return content === undefined || content.copied || isDefaultPath(path);
}

/** What is at the path of a volume that nobody was ever told of; `begun`: an image that an attempt to make it left. */
export async function lookAtPath(
  session: Session,
  record: VolumeRecord,
): Promise<'absent' | 'empty' | 'begun' | 'foreign'> {
  const entry = await session.tree.stat(record.path);
  if (entry === undefined) return 'absent';
  const content = entry.type === 'directory' ? await session.tree.list(record.path) : undefined;
  if (content?.length === 0) return 'empty';
  const isBegun = isImage(record) && content?.every(({ name }) => imageEpoch(name) !== undefined);
  return isBegun === true ? 'begun' : 'foreign';
}

/** Forgets a volume that never became ready, and leaves alone what is at its path. */
export async function discardRecordOnly(session: Session, record: VolumeRecord): Promise<void> {
  await releasePath(session, record);
  await removeRecord(session, record.id);
}
