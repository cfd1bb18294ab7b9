/*
 * Whether the copy of a volume got its place. Below `volumes/` what is there is the copy. Where a pathPattern leads, others may
 * put data of their own: also between the record that calls the copy complete and the rename that gives it its place, or after
 * a kill -9 there, until somebody goes on with it. A copy that is still where it was made never got there.
 */
import type { Entry } from '../../linux/tree.js';
import { isDefaultPath } from '../pool/paths.js';
import { updateRecord } from '../pool/record-store.js';
import type { Session } from '../pool/session.js';
import type { VolumeContent, VolumeRecord } from '../records/record.js';
import { clearAttempts, statPlace, type CopyOwner } from './content-copy.js';

export type FilledRecord = VolumeRecord & { readonly content: VolumeContent };

export interface ClearedVolume {
  readonly record: FilledRecord;
  /** The volume's complete copy, in its place. */
  readonly placed?: Entry | undefined;
}

/** Throws away what attempts to fill a volume left, and finds out whether one got its place. The caller holds the volume's lock. */
export async function clearVolumeAttempts(session: Session, given: FilledRecord): Promise<ClearedVolume> {
  const owner: CopyOwner = { kind: 'volume', id: given.id };
  const isOurs = isDefaultPath(given.path);
  const isElsewhere = !isOurs && (await isStillStaged(session, owner, given));
  // On disk before the copy goes: afterwards nothing would tell that what is at the place is not the copy.
  let record = isElsewhere ? await notCopied(session, given) : given;
  const placed = await clearAttempts(session, owner, record.path);
  if (isOurs) return { record, placed };
  if (placed === undefined && record.content.copied) record = await notCopied(session, record);
  return { record, placed: record.content.copied ? placed : undefined };
}

/** False also for one that GlusterFS renamed on some bricks and not on the others: `clearAttempts` takes that back. */
async function isStillStaged(session: Session, owner: CopyOwner, { path, content }: FilledRecord): Promise<boolean> {
  if (!content.copied || content.attempt === undefined) return false;
  const placed = await statPlace(session, owner, path);
  const staged = await session.tree.stat(`${session.lease.directory}/${content.attempt}`);
  return staged !== undefined && staged.ino !== placed?.ino;
}

async function notCopied(session: Session, record: FilledRecord): Promise<FilledRecord> {
  const content = { ...record.content, copied: false, attempt: undefined };
  await updateRecord(session, { ...record, content });
  return { ...record, content };
}
