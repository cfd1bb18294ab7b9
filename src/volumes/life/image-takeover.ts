/*
 * Takes a volume's image away from a node that cannot be asked. The node may be stopped, cut off or dead; it may come
 * back at any time and write what it still has in memory. So the image changes hands by becoming another file:
 *
 *   1. the record says that the node is `revoked` and a takeover is wanted: whoever holds the pool's lease goes on with it
 *   2. a marker beside the node's lease keeps every other node from taking the old image meanwhile
 *   3. the image is copied into a directory beside it, and must not have changed in that time
 *   4. one rename makes the copy the image of the next epoch: from here on the copy is the volume
 *   5. the old image is put aside, to be removed later (lost-images.ts): what the node still writes goes there
 *   6. its lease goes, then the mark in the record
 *
 * What a former holder of the pool's lease does late finds its directory gone, as everybody removes such directories
 * before he makes his own; or, if the rename is quicker, it has made a whole copy the image, and that is as good.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { aborted, exhausted, failedPrecondition, isErrno, messageOf } from '../../base/errors.js';
import { formatBytes } from '../../base/units.js';
import { copyFile } from '../../linux/copy-tree.js';
import { listLeaseFiles, removeLeaseFiles, takeoverPath } from '../leases/image-lease-files.js';
import { currentImage, type CurrentImage } from '../leases/image-lease.js';
import type { JobControl } from '../pool/content-jobs.js';
import { directoryLimitOf, setLimit } from '../pool/limits.js';
import { updateRecord } from '../pool/record-store.js';
import { change, move, type Session } from '../pool/session.js';
import { formatHandle } from '../records/handle.js';
import { imageEpoch, imageName, imagePath } from '../records/layout.js';
import type { RevokedNode, VolumeRecord } from '../records/record.js';
import { withLock } from './content-copy.js';
import { putAside } from './lost-images.js';

const COPY_DIRECTORY = '.takeover.';
/** Attributes are cached for a second by the kernel, and for another one by md-cache (glusterfs(8), attribute-timeout). */
const SETTLE_MS = 2_500;

/** The key of the job that takes an image away. */
export const takeoverJob = (id: string): string => `takeover/${id}`;

type RevokedRecord = VolumeRecord & { readonly revoked: RevokedNode };

function revokedRecord(session: Session, id: string): RevokedRecord | undefined {
  const record = session.catalog.get(id);
  return record?.revoked?.takeover === true ? { ...record, revoked: record.revoked } : undefined;
}

function mustBeRevoked(session: Session, id: string): RevokedRecord {
  const record = revokedRecord(session, id);
  if (record === undefined) throw aborted(`the takeover of volume ${session.config.name}/${id} is over`);
  return record;
}

/** Goes on, in the background, with the takeover that a volume's record says. */
export function startTakeover(session: Session, id: string): void {
  session.jobs.start(takeoverJob(id), async (control) => {
    try {
      await takeOver(session, id, control);
    } catch (error) {
      if (!control.signal.aborted) {
        session.log.warn({ volume: id, error: messageOf(error) }, 'an image could not be taken away from its node');
      }
      throw error;
    }
  });
}

/** Goes on with every takeover that no job is at work on. */
export function resumeTakeovers(session: Session): void {
  for (const { id } of session.catalog.records()) {
    if (revokedRecord(session, id) !== undefined) startTakeover(session, id);
  }
}

async function takeOver(session: Session, id: string, control: JobControl): Promise<void> {
  const record = revokedRecord(session, id);
  if (record === undefined) return;
  await removeCopies(session, record);
  if (!(await mark(session, record))) {
    await withLock(session, id, control, () => finish(session, mustBeRevoked(session, id)));
    return;
  }
  const { epoch } = await imageOf(session, record);
  const directory = `${record.path}/${COPY_DIRECTORY}${session.lease.epoch}.${randomBytes(4).toString('hex')}`;
  try {
    await copyImage(session, record, { epoch, directory }, control);
  } catch (error) {
    if (isErrno(error, 'ENOSPC', 'EDQUOT')) {
      throw exhausted(`volume ${formatHandle(record)}: no space left to copy its image: ${messageOf(error)}`);
    }
    throw error;
  }
  await withLock(session, id, control, async () => {
    const current = mustBeRevoked(session, id);
    const image = await imageOf(session, current);
    if (image.epoch !== epoch || !image.takeover) throw aborted(`volume ${formatHandle(record)} changed; retry`);
    const from = `${directory}/${imageName(epoch)}`;
    const placed = await change(session, () => session.tree.rename(from, imagePath(record.path, epoch + 1)));
    if (!placed) throw aborted(`the copy of volume ${formatHandle(record)} is gone; retry`);
    await finish(session, current);
  });
}

async function imageOf(session: Session, record: VolumeRecord): Promise<CurrentImage> {
  const image = await currentImage(session.tree, record);
  if (image !== undefined) return image;
  throw failedPrecondition(`volume ${formatHandle(record)} has no image in ${record.path}; see "kayal doctor"`);
}

/** Keeps every node from taking the image. @returns false when the revoked node has it no more, and nothing is to be done */
async function mark(session: Session, record: RevokedRecord): Promise<boolean> {
  const { id, revoked } = record;
  const { epoch, holder } = await imageOf(session, record);
  if (epoch !== revoked.epoch || holder?.node !== revoked.node) return false;
  await change(session, () =>
    session.tree.replaceFile(
      session.lease.temporary(`takeover-${id}`),
      takeoverPath(id, epoch),
      Buffer.from(`${JSON.stringify(revoked)}\n`),
    ),
  );
  // Another node may have taken it in the same moment; from here on none does.
  const now = await imageOf(session, record);
  return now.epoch === epoch && now.takeover && now.holder?.node === revoked.node;
}

async function copyImage(
  session: Session,
  record: RevokedRecord,
  { epoch, directory }: { readonly epoch: number; readonly directory: string },
  control: JobControl,
): Promise<void> {
  const { tree, background, lease } = session;
  const image = imagePath(record.path, epoch);
  const check = (): void => {
    if (control.signal.aborted) throw aborted('the takeover is not wanted any more');
    lease.assertHeld();
  };
  check();
  await setLimit(session, record, record.path);
  await change(session, () => tree.mkdir(directory, 0o700));
  const before = await tree.stat(image);
  const started = performance.now();
  const progress = await copyFile(
    {
      source: { tree: background, path: record.path },
      target: { tree: background, path: directory },
      check: ({ written, cloned }) => {
        check();
        control.report(`${formatBytes(written + cloned)} copied so far`);
      },
    },
    imageName(epoch),
  );
  control.report('all is copied; looking whether the node still writes');
  await sleep(SETTLE_MS, undefined, { signal: control.signal }).catch(() => undefined);
  check();
  const after = await tree.stat(image);
  if (progress.changed > 0 || before?.size !== after?.size || before?.mtimeMs !== after?.mtimeMs) {
    throw aborted(
      `node ${record.revoked.node} lives and writes to volume ${formatHandle(record)}: stop it, or delete its pods there`,
    );
  }
  const ms = Math.round(performance.now() - started);
  const { written, cloned } = progress;
  const fields = { volume: record.id, from: record.revoked.node, epoch: epoch + 1, ms };
  session.log.info({ ...fields, written: String(written), cloned: String(cloned) }, 'an image was copied');
}

/** What earlier attempts have copied. */
async function removeCopies(session: Session, record: VolumeRecord): Promise<void> {
  for (const { name } of (await session.tree.list(record.path)) ?? []) {
    if (!name.startsWith(COPY_DIRECTORY)) continue;
    await change(session, () => session.background.removeTree(`${record.path}/${name}`));
  }
}

/** Removes what is left of former epochs, and the mark in the record at the very end. */
async function finish(session: Session, record: RevokedRecord): Promise<void> {
  const { tree, lease } = session;
  const { id, path, revoked } = record;
  const { epoch } = await imageOf(session, record);
  for (const { name } of (await tree.list(path)) ?? []) {
    const other = imageEpoch(name);
    if (other !== undefined && other < epoch) await putAside(session, id, { path: `${path}/${name}`, epoch: other });
  }
  await removeCopies(session, record);
  for (const taken of (await listLeaseFiles(tree, id)).takeovers) {
    // Not by unlink: one that a former controller sends late could hit the marker of a later takeover.
    const aside = lease.temporary(`taken-${id}`);
    if (await move(session, takeoverPath(id, taken), aside)) await change(session, () => tree.unlink(aside));
  }
  await change(session, () => removeLeaseFiles(tree, id, (file) => file.epoch < epoch));
  const usual: VolumeRecord = { ...record, revoked: undefined };
  if (await isOverfull(session, usual)) return;
  await setLimit(session, usual, path);
  await updateRecord(session, usual);
  session.log.info({ volume: id, node: revoked.node, epoch }, 'a takeover is finished');
}

/**
 * True while the old image still counts, as long as the lost node may have it open: with the usual limit there would be no
 * room for the new one to be written to.
 */
async function isOverfull(session: Session, record: VolumeRecord): Promise<boolean> {
  if (session.mechanism.name !== 'project') return false;
  const { total, available } = await session.tree.statfs(record.path);
  return total - available > directoryLimitOf(record);
}
