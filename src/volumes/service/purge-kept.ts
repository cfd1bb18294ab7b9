import { aborted, failedPrecondition, notFound } from '../../base/errors.js';
import { formatBytes } from '../../base/units.js';
import { readMountinfo } from '../../linux/mountinfo.js';
import { discardVolume } from '../life/delete.js';
import { formatHandle } from '../records/handle.js';
import type { VolumeRecord } from '../records/record.js';
import type { Session } from '../pool/session.js';

/**
 * Makes sure that a volume is one that was deleted and kept (`retained`, `archived`).
 * @throws KayalError NOT_FOUND, FAILED_PRECONDITION
 */
export function checkKept(handle: string, record: VolumeRecord | undefined): VolumeRecord {
  if (record === undefined) throw notFound(`volume ${handle} does not exist`);
  if (record.state === 'retained' || record.state === 'archived') return record;
  throw failedPrecondition(
    `volume ${handle} is ${record.state}: only volumes that were deleted and kept (retained, archived) can be purged; delete its PersistentVolumeClaim`,
  );
}

/** A retained volume may be published again, by a PersistentVolume that somebody wrote for it; seen on this machine only. */
async function isMountedHere(path: string): Promise<boolean> {
  return (await readMountinfo()).some(({ root }) => root === `/${path}` || root.endsWith(`/${path}`));
}

/**
 * Moves the data of a kept volume to the trash, as a deletion would have done at first.
 * @returns what was done, for people
 * @throws KayalError NOT_FOUND, FAILED_PRECONDITION, ABORTED while something else is at work on it
 */
export async function purgeKept(session: Session, id: string): Promise<string> {
  const handle = formatHandle({ pool: session.config.name, id });
  const release = session.locks.tryAcquire(id);
  if (release === undefined) throw aborted(`another operation on volume ${handle} is under way; retry`);
  try {
    const record = checkKept(handle, session.catalog.get(id));
    if (await isMountedHere(record.path)) {
      throw failedPrecondition(`volume ${handle} is mounted on this machine, by a PersistentVolume of somebody's own`);
    }
    await discardVolume(session, record);
    return `volume ${handle} (${record.state}, ${formatBytes(record.limitBytes)}) is in the trash`;
  } finally {
    release();
  }
}
