import {
  aborted,
  alreadyExists,
  failedPrecondition,
  invalidArgument,
  messageOf,
  outOfRange,
} from '../../base/errors.js';
import { formatHandle, volumeIdOf } from '../records/handle.js';
import { VOLUMES_DIRECTORY, defaultDataPath } from '../records/layout.js';
import { modifyVolume } from './modify.js';
import { applyMutableParameters } from '../requests/mutable-parameters.js';
import { discardVolume } from './delete.js';
import { discardRecordOnly, lookAtPath } from './own-directory.js';
import { ownParameters } from '../requests/parameters.js';
import { IMAGE_DIRECTORY, makeImage } from '../pool/images.js';
import { checkInodeLimit, setLimit } from '../pool/limits.js';
import { claimPath, isDefaultPath, makeVolumeDirectory } from '../pool/paths.js';
import { expandPathPattern } from '../requests/path-pattern.js';
import { isImage, isShown, minimumBytesOf } from '../requests/volume-shape.js';
import { promisedBytesOf } from '../records/promised.js';
import { RECORD_FORMAT, type VolumeRecord } from '../records/record.js';
import { allocateProjectId } from '../pool/project-ids.js';
import { createRecord, updateRecord } from '../pool/record-store.js';
import { change, type Session } from '../pool/session.js';
import { startVolumeContent, volumeJob } from './volume-content.js';
import { difference, shapeFor, type CapacityRange, type WantedVolume } from './wanted-volume.js';

export type { CapacityRange, WantedVolume } from './wanted-volume.js';

/** Limits are whole blocks: every mechanism would round otherwise, each in its own way. */
const BLOCK = 4096n;
/** Given to a CO that does not say how much it wants. */
export const DEFAULT_BYTES = 1n << 30n;
const MAX_BYTES = 1n << 60n;

/**
 * The limit a volume gets, in bytes: what is required, at least what the pool's mechanism can keep, in whole blocks.
 * @param what the volume, for the message
 * @throws KayalError OUT_OF_RANGE when that is more than the CO allows
 */
export function chooseLimit(range: CapacityRange, minimumBytes: bigint, what = 'volume'): bigint {
  const { requiredBytes, limitBytes } = range;
  if (requiredBytes < 0n || limitBytes < 0n) {
    throw outOfRange(`required ${requiredBytes} bytes, limit ${limitBytes} bytes: neither may be negative`);
  }
  if (limitBytes !== 0n && limitBytes < requiredBytes) {
    throw outOfRange(`limit ${limitBytes} bytes is less than required ${requiredBytes} bytes`);
  }
  let wanted = requiredBytes === 0n ? DEFAULT_BYTES : requiredBytes;
  if (requiredBytes === 0n && limitBytes !== 0n && limitBytes < wanted) wanted = limitBytes - (limitBytes % BLOCK);
  if (wanted < minimumBytes) wanted = minimumBytes;
  const bytes = ((wanted + BLOCK - 1n) / BLOCK) * BLOCK;
  if (bytes > MAX_BYTES) throw outOfRange(`${bytes} bytes are more than any pool holds`);
  if (limitBytes !== 0n && bytes > limitBytes) {
    throw outOfRange(
      `the smallest ${what} for required ${requiredBytes} bytes on this pool has ${bytes} bytes, more than the limit of ${limitBytes}`,
    );
  }
  return bytes;
}

/**
 * What the CO asks for, with the source's size where it asks for none.
 * @throws KayalError OUT_OF_RANGE when the content would not fit
 */
export function rangeForSource(range: CapacityRange, sizeBytes: bigint): CapacityRange {
  const { requiredBytes, limitBytes } = range;
  const tooSmall = requiredBytes !== 0n && requiredBytes < sizeBytes ? requiredBytes : limitBytes;
  if (tooSmall !== 0n && tooSmall < sizeBytes) {
    throw outOfRange(`the source has ${sizeBytes} bytes; a volume made from it cannot have ${tooSmall}, which is less`);
  }
  return { requiredBytes: requiredBytes === 0n ? sizeBytes : requiredBytes, limitBytes };
}

function pathFor(wanted: WantedVolume, id: string): string {
  const { pathPattern } = wanted.parameters;
  return pathPattern === undefined ? defaultDataPath(id) : expandPathPattern(pathPattern, wanted.claim);
}

/**
 * Makes the volume, or finishes making it, or finds it made. Every step can be repeated; the record is there before
 * anything else is and says `creating` until everything is. One with content is `creating` when this returns, while a job
 * copies it.
 * The caller holds the lock of the volume's id.
 * @throws KayalError ALREADY_EXISTS, RESOURCE_EXHAUSTED, OUT_OF_RANGE, ABORTED, FAILED_PRECONDITION
 */
export async function createVolume(session: Session, wanted: WantedVolume): Promise<VolumeRecord> {
  const id = volumeIdOf(wanted.name);
  const damaged = session.catalog.damagedRecord(id);
  if (damaged !== undefined) throw damaged;
  const existing = session.catalog.get(id);
  if (existing === undefined) {
    if (wanted.content !== undefined) session.jobs.throwFailure(volumeJob(id));
    return make(session, await begin(session, id, wanted), 'first');
  }
  const handle = formatHandle(existing);
  if (existing.state === 'deleting') throw aborted(`volume ${handle} is being deleted; retry`);
  if (existing.state === 'retained' || existing.state === 'archived') {
    throw alreadyExists(
      `volume ${handle} was deleted and is kept (${existing.state}, data at ${existing.path}): take another name or purge it`,
    );
  }
  const different = difference(existing, wanted);
  if (different !== undefined) throw alreadyExists(`volume ${handle} exists and is another one: ${different}`);
  // What can be changed at any time does not make it another volume.
  const current = await modifyVolume(session, existing, wanted.mutable ?? {});
  return current.state === 'creating' ? make(session, current, 'again') : current;
}

/** Promises the capacity and says so on disk. */
async function begin(session: Session, id: string, wanted: WantedVolume): Promise<VolumeRecord> {
  const { config, mechanism, catalog, poolFile } = session;
  const source = wanted.content === undefined ? undefined : await session.openSource(wanted.content);
  const range = source === undefined ? wanted.capacity : rangeForSource(wanted.capacity, source.sizeBytes);
  const shape = shapeFor(wanted, source?.shape);
  const minimum = minimumBytesOf(shape, mechanism.minimumBytes);
  const limitBytes = chooseLimit(range, minimum, shape.fsType === undefined ? undefined : `${shape.fsType} volume`);
  const path = pathFor(wanted, id);
  const other = catalog.conflictingVolume(path);
  if (other !== undefined) {
    throw alreadyExists(`path ${path} of pool ${config.name} is at, above or inside volume ${config.name}/${other}`);
  }
  const isOurs = isDefaultPath(path);
  // Of a volume without content an empty directory may be there, see adoptOwnDirectory.
  if ((!isOurs || source !== undefined) && (await session.tree.stat(path)) !== undefined) {
    const advice = isOurs ? 'see "kayal doctor"' : 'remove it or change pathPattern';
    throw alreadyExists(`path ${path} of pool ${config.name} exists and is no volume: ${advice}`);
  }
  session.lease.assertHeld();
  const release = await session.capacity.reserve(id, promisedBytesOf({ ...shape, limitBytes }));
  try {
    const projectId = await allocateProjectId(session);
    const plain: VolumeRecord = {
      formatVersion: RECORD_FORMAT,
      id,
      name: wanted.name,
      pool: config.name,
      poolId: poolFile.id,
      ...shape,
      path,
      imported: false,
      limitBytes,
      state: 'creating',
      quota: { mechanism: mechanism.name, projectId },
      owner: { uid: wanted.parameters.uid, gid: wanted.parameters.gid, mode: wanted.parameters.mode },
      parameters: ownParameters(wanted.givenParameters),
      onDelete: wanted.parameters.onDelete,
      inodeLimit: wanted.parameters.inodeLimit,
      claim: wanted.claim,
      ephemeral: wanted.ephemeral,
      content: wanted.content && { ...wanted.content, copied: false },
      createdAt: new Date().toISOString(),
      unknownFields: {},
    };
    const record = applyMutableParameters(plain, wanted.mutable ?? {});
    checkInodeLimit(session, record);
    // Another volume of the same pattern may have taken the path while the capacity was looked up.
    const rival = catalog.conflictingVolume(path);
    if (rival !== undefined) throw alreadyExists(`path ${path} of pool ${config.name} was taken by ${rival}`);
    if (!(await createRecord(session, record))) {
      session.fail(new Error(`the record of ${id} appeared on disk without this controller`));
      throw aborted(`volume ${config.name}/${id} has a record that this controller had not seen; retry`);
    }
    return record;
  } finally {
    release();
  }
}

/** The steps from a record `creating` to `ready`. What is wrong for good undoes them; anything else is left to a retry. */
async function make(session: Session, record: VolumeRecord, attempt: 'first' | 'again'): Promise<VolumeRecord> {
  if (record.content !== undefined) {
    startVolumeContent(session, record.id);
    return record;
  }
  await claimPath(session, record);
  await change(session, async () => {
    const owner = isShown(record) ? record.owner : IMAGE_DIRECTORY;
    if (await makeVolumeDirectory(session, record.path, owner)) return;
    await adoptOwnDirectory(session, record, attempt);
    await session.tree.setOwnerAndMode(record.path, owner);
  });
  try {
    await setLimit(session, record, record.path);
  } catch (error) {
    if (!isFinal(error)) throw error;
    await discardVolume(session, record);
    throw failedPrecondition(`volume ${formatHandle(record)} gets no limit: ${messageOf(error)}`, { cause: error });
  }
  if (isImage(record)) await makeImage(session, record);
  return updateRecord(session, { ...record, state: 'ready' });
}

function isFinal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'FAILED_PRECONDITION';
}

/** The directory is there already: ours from an attempt that was cut off (then nobody has seen it), or somebody's data. */
async function adoptOwnDirectory(session: Session, record: VolumeRecord, attempt: 'first' | 'again'): Promise<void> {
  const found = await lookAtPath(session, record);
  if (found === 'absent') throw aborted(`path ${record.path} of pool ${record.pool} was there and is gone; retry`);
  if (attempt === 'again' ? found !== 'foreign' : found === 'empty' && isDefaultPath(record.path)) return;
  await discardRecordOnly(session, record);
  throw alreadyExists(
    `path ${record.path} of pool ${record.pool} holds data that belongs to no volume; move it away (${VOLUMES_DIRECTORY}/ is Kayal's) or take another name`,
  );
}

/** @throws KayalError INVALID_ARGUMENT for a name that no CO may give */
export function checkName(name: string): void {
  if (name === '') throw invalidArgument('name: is empty; a volume needs one');
  if (Buffer.byteLength(name) > 128) throw invalidArgument('name: is longer than 128 bytes (CSI spec, "Size Limits")');
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) throw invalidArgument('name: has a control character');
}
