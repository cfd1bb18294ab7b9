import { aborted, failedPrecondition, notFound } from '../../base/errors.js';
import { formatBytes } from '../../base/units.js';
import { readMountinfo } from '../../linux/mountinfo.js';
import { trashVolume } from '../life/delete.js';
import { readUse } from '../life/last-use.js';
import { formatHandle } from '../records/handle.js';
import type { VolumeRecord } from '../records/record.js';
import type { Session } from '../pool/session.js';

/** Nodes note the use of a volume every six hours (use-notes.ts). */
const IN_USE_MS = 12 * 60 * 60 * 1000;

/**
 * Makes sure that a volume is one that was deleted and kept (`retained`, `archived`), or an inline volume, whose node may
 * be gone for good.
 * @throws KayalError NOT_FOUND, FAILED_PRECONDITION
 */
export function checkKept(handle: string, record: VolumeRecord | undefined): VolumeRecord {
  if (record === undefined) throw notFound(`volume ${handle} does not exist`);
  if (record.state === 'retained' || record.state === 'archived' || record.ephemeral !== undefined) return record;
  throw failedPrecondition(
    `volume ${handle} is ${record.state}: only volumes that were deleted and kept (retained, archived), and inline volumes, can be purged; delete its PersistentVolumeClaim`,
  );
}

/** A retained volume may be published again, by a PersistentVolume that somebody wrote for it; seen on this machine only. */
async function isMountedHere(path: string): Promise<boolean> {
  return (await readMountinfo()).some(({ root }) => root === `/${path}` || root.endsWith(`/${path}`));
}

/** Only a node knows whether a pod of its own still uses an inline volume; one that is gone says nothing any more. */
async function checkNodeSilent(
  { tree }: Session,
  handle: string,
  { id, ephemeral, createdAt }: VolumeRecord,
): Promise<void> {
  if (ephemeral === undefined) return;
  const use = await readUse(tree, id);
  const last = use !== undefined && use.usedAt > createdAt ? use.usedAt : createdAt;
  if (Date.now() - Date.parse(last) > IN_USE_MS) return;
  throw failedPrecondition(
    `volume ${handle} is an inline volume that node ${ephemeral.node} had in use at ${last}: delete its pod, or, when that node is gone for good, wait until 12 hours after that`,
  );
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
      const by = record.ephemeral === undefined ? `, by a PersistentVolume of somebody's own` : '';
      throw failedPrecondition(`volume ${handle} is mounted on this machine${by}`);
    }
    await checkNodeSilent(session, handle, record);
    await trashVolume(session, record);
    return `volume ${handle} (${record.state}, ${formatBytes(record.limitBytes)}) is in the trash`;
  } finally {
    release();
  }
}
