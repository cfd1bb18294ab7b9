import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { aborted, failedPrecondition, type KayalError } from '../../base/errors.js';
import type { Tree } from '../../linux/tree.js';
import { formatHandle } from '../records/handle.js';
import { imageEpoch, imageLeaseDirectory, imagePath } from '../records/layout.js';
import type { VolumeRecord } from '../records/record.js';
import {
  latestTurn,
  listLeaseFiles,
  readHolder,
  removeLeaseFiles,
  turnPath,
  turnTemporary,
  type ImageHolder,
  type LeaseFiles,
  type Turn,
} from './image-lease-files.js';

export { forgetImageLeases, type ImageHolder } from './image-lease-files.js';

/** A node, and the kernel that it runs now. */
export interface ImageUser {
  readonly node: string;
  /** machine-id(5); '' where there is none. */
  readonly machineId: string;
  readonly bootId: string;
}

/** The image of a volume that counts now. */
export interface CurrentImage {
  readonly epoch: number;
  /** Relative to the root of the pool. */
  readonly path: string;
  /** Who uses it; absent: nobody. */
  readonly holder?: ImageHolder | undefined;
  /** The controller takes it away from its holder: the next epoch is near. */
  readonly takeover: boolean;
}

type ImageVolume = Pick<VolumeRecord, 'id' | 'pool' | 'path'>;

/** Rivals that meet again and again: each time one of them goes on. */
const TRIES = 20;

/** The highest epoch of an image in a volume's directory; undefined: there is none. */
export async function imageEpochIn(tree: Tree, path: string): Promise<number | undefined> {
  const epochs = ((await tree.list(path)) ?? []).flatMap(({ name }) => imageEpoch(name) ?? []);
  return epochs.length === 0 ? undefined : Math.max(...epochs);
}

/** The image of a volume and who uses it; undefined: it has no image. */
export async function currentImage(tree: Tree, record: ImageVolume): Promise<CurrentImage | undefined> {
  for (let tries = 0; tries < TRIES; tries++) {
    const epoch = await imageEpochIn(tree, record.path);
    if (epoch === undefined) return undefined;
    const files = await listLeaseFiles(tree, record.id);
    const turn = latestTurn(files, epoch);
    const holder = turn?.state === 'held' ? await readHolder(tree, record.id, turn) : undefined;
    // Released while it was being looked at: somebody else may have it now.
    if (turn?.state === 'held' && holder === undefined) continue;
    return { epoch, path: imagePath(record.path, epoch), holder, takeover: files.takeovers.includes(epoch) };
  }
  throw aborted(`the holder of volume ${formatHandle(record)} changes all the time; retry`);
}

/** True when both are one machine, as far as that can be told. */
export function isSameMachine(a: ImageUser, b: ImageUser): boolean {
  return a.node === b.node && (a.machineId === b.machineId || a.machineId === '' || b.machineId === '');
}

/** What to say to whoever wants an image that `holder` uses. */
export function heldByAnother(record: ImageVolume, holder: ImageHolder): KayalError {
  const handle = formatHandle(record);
  const who = holder.node === '' ? 'a node that cannot be told (its lease is damaged)' : `node ${holder.node}`;
  const since = holder.since === '' ? '' : ` since ${holder.since}`;
  return failedPrecondition(
    `volume ${handle} is in use by ${who}${since}, and only one node at a time may use it: wait until its pods there are ` +
      `gone; if that node is lost, taint it with node.kubernetes.io/out-of-service (with attach), or run ` +
      `"kayal volume release ${handle} --node ${holder.node === '' ? 'NODE' : holder.node}"`,
  );
}

function beingTakenOver(record: ImageVolume): Error {
  return aborted(`volume ${formatHandle(record)} is being taken away from a node that is gone; retry`);
}

/** True when the turn that was just begun is the one that counts. */
function isCurrent(mine: Turn, epoch: number | undefined, files: LeaseFiles): boolean {
  if (epoch !== mine.epoch || files.takeovers.includes(mine.epoch)) return false;
  const latest = latestTurn(files, mine.epoch);
  return latest?.turn === mine.turn && latest.state === 'held';
}

/**
 * Makes this node the one that uses a volume's image; it is that already when it called this before since its last boot.
 * The caller holds its own lock on the volume.
 * @throws KayalError FAILED_PRECONDITION naming the node that uses it, or when there is no image; ABORTED while the
 *   controller takes it away from a former holder
 */
export async function acquireImage(
  tree: Tree,
  record: ImageVolume,
  self: ImageUser,
): Promise<{ readonly epoch: number; readonly path: string }> {
  for (let tries = 0; tries < TRIES; tries++) {
    if (tries > 1) await sleep(randomInt(10, 100));
    const epoch = await tryAcquire(tree, record, self);
    if (epoch !== undefined) return { epoch, path: imagePath(record.path, epoch) };
  }
  throw aborted(`many nodes try to use volume ${formatHandle(record)} at once; retry`);
}

/** @returns undefined when something changed meanwhile */
async function tryAcquire(tree: Tree, record: ImageVolume, self: ImageUser): Promise<number | undefined> {
  const { id } = record;
  const epoch = await imageEpochIn(tree, record.path);
  if (epoch === undefined) {
    throw failedPrecondition(`volume ${formatHandle(record)} has no image in ${record.path}; see "kayal doctor"`);
  }
  const files = await listLeaseFiles(tree, id);
  if (files.takeovers.includes(epoch)) throw beingTakenOver(record);
  const latest = latestTurn(files, epoch);
  if (latest?.state === 'held') {
    const holder = await readHolder(tree, id, latest);
    if (holder === undefined) return undefined;
    if (!isSameMachine(holder, self)) throw heldByAnother(record, holder);
    if (holder.bootId === self.bootId) return epoch;
    // What used it went with the kernel of that boot.
    await tree.rename(turnPath(id, latest), turnPath(id, { ...latest, state: 'free' }));
    return undefined;
  }
  const mine: Turn = { epoch, turn: (latest?.turn ?? 0) + 1, state: 'held' };
  const holder: ImageHolder = { ...self, since: new Date().toISOString() };
  await tree.mkdirs(imageLeaseDirectory(id), 0o700);
  const text = Buffer.from(`${JSON.stringify(holder)}\n`);
  if (!(await tree.createFile(turnTemporary(id, mine, self.node), turnPath(id, mine), text))) return undefined;
  // The directory may have been read long ago (SIGSTOP): turns or epochs that came later have precedence.
  if (!isCurrent(mine, await imageEpochIn(tree, record.path), await listLeaseFiles(tree, id))) {
    await tree.unlink(turnPath(id, mine));
    return undefined;
  }
  await removeLeaseFiles(tree, id, (file) => file.epoch < epoch || (file.epoch === epoch && file.turn < mine.turn));
  return epoch;
}

/**
 * Ends this node's use of a volume's image; OK when it does not use it. Before this the caller detaches whatever it has
 * open on the image. Done late or twice, it ends nothing that began later.
 */
export async function releaseImage(tree: Tree, id: string, self: ImageUser): Promise<void> {
  const { turns } = await listLeaseFiles(tree, id);
  for (const turn of turns) {
    if (turn.state !== 'held') continue;
    const holder = await readHolder(tree, id, turn);
    if (holder === undefined || !isSameMachine(holder, self)) continue;
    await tree.rename(turnPath(id, turn), turnPath(id, { ...turn, state: 'free' }));
  }
}
