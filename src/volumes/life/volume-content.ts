import { basename } from 'node:path/posix';
import { aborted, alreadyExists, failedPrecondition, messageOf } from '../../base/errors.js';
import type { CopyProgress } from '../../linux/copy-tree.js';
import { copyToStaging, countPlaced, isFinal, orClear, placeCopy, withLock, type StagedCopy } from './content-copy.js';
import type { JobControl } from '../pool/content-jobs.js';
import { discardVolume } from './delete.js';
import { clearVolumeAttempts, type FilledRecord } from './placed-copy.js';
import { formatHandle } from '../records/handle.js';
import { growImage, IMAGE_DIRECTORY } from '../pool/images.js';
import { setLimit } from '../pool/limits.js';
import { claimPath, isDefaultPath, makeParents } from '../pool/paths.js';
import { promisedBytesOf } from '../records/promised.js';
import type { VolumeContent, VolumeRecord } from '../records/record.js';
import { updateRecord } from '../pool/record-store.js';
import { isImage, isShown } from '../requests/volume-shape.js';
import { change, type Session } from '../pool/session.js';

/** The key of the job that fills a volume. */
export const volumeJob = (id: string): string => `volume/${id}`;

/**
 * Fills a volume that is `creating` from its source, in the background, and makes it ready. What cannot succeed undoes the
 * volume; anything else is tried again by the next call or the next sweep.
 */
export function startVolumeContent(session: Session, id: string): void {
  session.jobs.start(volumeJob(id), async (control) => {
    try {
      await fill(session, id, control);
    } catch (error) {
      if (control.signal.aborted) throw error;
      session.log.warn({ volume: id, error: messageOf(error) }, 'a volume could not be filled');
      if (isFinal(error)) {
        await withLock(session, id, control, async () => {
          const record = creating(session, id);
          if (record !== undefined) await discardVolume(session, record);
        });
      }
      throw error;
    }
  });
}

function creating(session: Session, id: string): FilledRecord | undefined {
  const record = session.catalog.get(id);
  return record?.state === 'creating' && record.content !== undefined
    ? { ...record, content: record.content }
    : undefined;
}

/** The record as it is now, under its lock. @throws KayalError ABORTED when the volume is not being made any more */
function mustBeCreating(session: Session, id: string): FilledRecord {
  const record = creating(session, id);
  if (record === undefined) throw aborted(`volume ${session.config.name}/${id} is not being made any more`);
  return record;
}

async function fill(session: Session, id: string, control: JobControl): Promise<void> {
  if (creating(session, id) === undefined) return;
  const clear = () => withLock(session, id, control, () => clearVolumeAttempts(session, mustBeCreating(session, id)));
  const { record, placed } = await clear();
  if (placed !== undefined) {
    await finishPlaced(session, record, control);
    return;
  }
  const { mechanism } = session;
  const { kind, handle } = record.content;
  const staged = await copyToStaging(
    session,
    {
      kind: 'volume',
      id,
      source: { kind, handle },
      // The limit keeps the copy; where there is none the pool's free space has to.
      budgetBytes: promisedBytesOf(record) + session.capacity.current().available,
      // features/quota lets a source grow beyond its limit, whose copy must not fail for that: there the limit comes last.
      prepare: mechanism.name === 'gluster' ? undefined : (path) => limited(session, record, path),
      record: (progress) => recordProgress(session, id, progress),
    },
    control,
  );
  await orClear(session, clear, () =>
    withLock(session, id, control, () => place(session, mustBeCreating(session, id), staged)),
  );
}

/** Goes on with a copy that has got its place. */
async function finishPlaced(session: Session, { id, path, content }: FilledRecord, control: JobControl): Promise<void> {
  const progress = content.copied ? undefined : await countPlaced(session, path, control);
  await withLock(session, id, control, async () => {
    const record = mustBeCreating(session, id);
    if (progress === undefined) return finish(session, record);
    const owner = isShown(record) ? await ownerOf(session, record, path) : record.owner;
    await finish(session, { ...withProgress(record, progress, true), owner });
  });
}

async function limited(session: Session, record: VolumeRecord, path: string): Promise<void> {
  try {
    await setLimit(session, record, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'FAILED_PRECONDITION')) throw error;
    throw failedPrecondition(`volume ${formatHandle(record)} gets no limit: ${messageOf(error)}`, { cause: error });
  }
}

async function recordProgress(session: Session, id: string, progress: CopyProgress): Promise<void> {
  const release = session.locks.tryAcquire(id);
  if (release === undefined) return;
  try {
    const record = creating(session, id);
    if (record !== undefined) await updateRecord(session, withProgress(record, progress, false));
  } finally {
    release();
  }
}

function withProgress(record: FilledRecord, progress: CopyProgress, copied: boolean): FilledRecord {
  const { entries, written, cloned } = progress;
  const content: VolumeContent = {
    ...record.content,
    copied,
    progress: { entries, bytes: String(written + cloned) },
    sharedBytes: cloned === 0n ? undefined : String(cloned),
  };
  return { ...record, content };
}

/** Owner and permissions come with the content, unless the StorageClass says others. */
async function ownerOf(session: Session, record: VolumeRecord, path: string): Promise<VolumeRecord['owner']> {
  const root = await session.tree.stat(path);
  const given = (name: 'uid' | 'gid' | 'mode'): number =>
    record.parameters[name] === undefined ? (root?.[name] ?? record.owner[name]) : record.owner[name];
  return { uid: given('uid'), gid: given('gid'), mode: given('mode') };
}

async function place(session: Session, given: FilledRecord, staged: StagedCopy): Promise<void> {
  const { tree } = session;
  // Of an image these are the filesystem's own, and the directory around it stays as it is.
  const owner = isShown(given) ? await ownerOf(session, given, staged.path) : given.owner;
  await claimPath(session, given);
  await change(session, async () => {
    await makeParents(session, given.path);
    await tree.setOwnerAndMode(staged.path, isShown(given) ? owner : IMAGE_DIRECTORY);
  });
  const copied = withProgress(given, staged.progress, true);
  const record = { ...copied, content: { ...copied.content, attempt: basename(staged.path) }, owner };
  if (!isDefaultPath(record.path)) {
    if ((await tree.stat(record.path)) !== undefined) {
      throw alreadyExists(
        `path ${record.path} of pool ${record.pool} holds data that belongs to no volume; move it away`,
      );
    }
    await updateRecord(session, record);
  }
  await placeCopy(session, staged, record.path, () => finish(session, record));
}

async function finish(session: Session, record: FilledRecord): Promise<void> {
  // At its place, and verified there: also what was set before it moved.
  await limited(session, record, record.path);
  // A filesystem in it is grown when it is staged.
  if (isImage(record)) await growImage(session, record);
  const { progress, ...content } = record.content;
  await updateRecord(session, { ...record, content: { ...content, attempt: undefined }, state: 'ready' });
  if (progress !== undefined) {
    session.capacity.observeVolume(record.id, BigInt(progress.bytes) - BigInt(content.sharedBytes ?? '0'));
  }
}
