import { messageOf } from '../base/errors.js';
import { deleteVolume, TRASH_DATA, TRASH_RECORD } from './delete.js';
import { expandToRecord } from './expand.js';
import { TRASH_DIRECTORY } from './layout.js';
import type { VolumeRecord } from './record.js';
import { move, type Session } from './session.js';

/** A volume that no CreateVolume has come back for in this time was given up; nobody was ever told that it exists. */
const ABANDONED_AFTER_MS = 60 * 60 * 1000;

/**
 * Finishes what a former holder of the lease had under way in the lease's directory: deleted data goes to the trash,
 * temporary files go.
 * @returns names of trash entries that were completed
 */
export async function emptyFence(session: Session): Promise<void> {
  const { tree, lease, log } = session;
  for (const { name, type } of (await tree.list(lease.directory)) ?? []) {
    const path = `${lease.directory}/${name}`;
    if (type !== 'directory') {
      if (name !== 'tmp-lease') await tree.unlink(path);
      continue;
    }
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

/** Volumes that are neither ready nor gone, whose operation nobody has to ask for again. */
export function unfinished(records: Iterable<VolumeRecord>, now: number): VolumeRecord[] {
  return [...records].filter(
    (record) =>
      record.state === 'deleting' ||
      record.state === 'expanding' ||
      (record.state === 'creating' && now - Date.parse(record.createdAt) > ABANDONED_AFTER_MS),
  );
}

/** Goes on with each unfinished volume that no call is at work on; what fails is tried again at the next round. */
export async function finishUnfinished(session: Session): Promise<void> {
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
