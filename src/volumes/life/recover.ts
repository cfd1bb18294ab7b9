import { messageOf } from '../../base/errors.js';
import { deleteVolume } from './delete.js';
import { expandToRecord } from './expand-to-record.js';
import { resumeTakeovers } from './image-takeover.js';
import { removeLostImages } from './lost-images.js';
import { copyOwner, trashCopy } from './content-copy.js';
import { TRASH_DATA, TRASH_DIRECTORY, TRASH_RECORD } from '../records/layout.js';
import type { VolumeRecord } from '../records/record.js';
import { move, type Session } from '../pool/session.js';
import { snapshotKey } from '../records/snapshot-catalog.js';
import { startSnapshot, trashSnapshot } from './snapshots.js';
import { startVolumeContent } from './volume-content.js';

/** A volume that no CreateVolume has come back for in this time was given up; nobody was ever told that it exists. */
const ABANDONED_AFTER_MS = 60 * 60 * 1000;

/**
 * Finishes what a former holder of the lease had under way in the lease's directory: deleted data goes to the trash,
 * temporary files go. Copies stay, see `trashForgottenCopies`.
 */
export async function emptyFence(session: Session): Promise<void> {
  const { tree, lease, log } = session;
  for (const { name, type } of (await tree.list(lease.directory)) ?? []) {
    const path = `${lease.directory}/${name}`;
    if (type !== 'directory') {
      if (name !== 'tmp-lease') await tree.unlink(path);
      continue;
    }
    if (copyOwner(name) !== undefined) continue;
    const inside = (await tree.list(path)) ?? [];
    const known = inside.every((entry) => entry.name === TRASH_DATA || entry.name === TRASH_RECORD);
    if (inside.length === 0) {
      await tree.rmdir(path);
    } else if (known && inside.some((entry) => entry.name === TRASH_RECORD)) {
      await move(session, path, `${TRASH_DIRECTORY}/${name}`);
      log.info({ entry: name }, 'a deletion that was cut off is finished');
    }
    // Else the data of a record that still says `deleting`, in its place: deleteVolume goes on with it.
  }
}

/** After the records were read: copies whose volume or snapshot waits for none. The others are begun again, once it is seen how far they got. */
export async function trashForgottenCopies(session: Session): Promise<void> {
  const { tree, lease, catalog, snapshots } = session;
  for (const { name } of (await tree.list(lease.directory)) ?? []) {
    const owner = copyOwner(name);
    if (owner === undefined) continue;
    const record = owner.kind === 'volume' ? catalog.get(owner.id) : snapshots.get(owner.id);
    if (record?.state !== 'creating') await trashCopy(session, name);
  }
}

/** Volumes that are neither ready nor gone, whose operation nobody has to ask for again. */
export function unfinished(records: Iterable<VolumeRecord>, now: number): VolumeRecord[] {
  return [...records].filter(
    (record) =>
      record.state === 'deleting' ||
      record.state === 'expanding' ||
      (record.state === 'creating' &&
        record.content === undefined &&
        now - Date.parse(record.createdAt) > ABANDONED_AFTER_MS),
  );
}

/** Goes on with each unfinished volume that no call is at work on; what fails is tried again at the next round. */
export async function finishUnfinished(session: Session): Promise<void> {
  resumeCopies(session);
  resumeTakeovers(session);
  await removeLostImages(session);
  await finishSnapshots(session);
  for (const { id } of unfinished(session.catalog.records(), Date.now())) {
    const release = session.locks.tryAcquire(id);
    if (release === undefined) continue;
    try {
      const record = session.catalog.get(id);
      if (record === undefined) continue;
      if (record.state === 'expanding') await expandToRecord(session, record);
      else await deleteVolume(session, record);
      session.log.info({ volume: id, was: record.state }, 'an operation that was cut off is finished');
    } catch (error) {
      session.log.warn({ volume: id, error: messageOf(error) }, 'an operation that was cut off cannot be finished yet');
    } finally {
      release();
    }
  }
}

/** Goes on with every copy that no job is at work on: after a restart, and after a failure that may pass. */
function resumeCopies(session: Session): void {
  for (const { id, content } of session.catalog.creating()) {
    if (content !== undefined) startVolumeContent(session, id);
  }
  for (const { id, state } of session.snapshots.records()) {
    if (state === 'creating') startSnapshot(session, id);
  }
}

async function finishSnapshots(session: Session): Promise<void> {
  for (const { id, state } of [...session.snapshots.records()]) {
    if (state !== 'deleting') continue;
    const release = session.locks.tryAcquire(snapshotKey(id));
    if (release === undefined) continue;
    try {
      const record = session.snapshots.get(id);
      if (record?.state === 'deleting') await trashSnapshot(session, record);
    } catch (error) {
      session.log.warn({ snapshot: id, error: messageOf(error) }, 'a deletion that was cut off cannot be finished yet');
    } finally {
      release();
    }
  }
}
