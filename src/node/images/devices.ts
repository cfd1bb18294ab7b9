import { posix } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { aborted, failedPrecondition, messageOf, unavailable } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { IoWorkers } from '../../linux/io-workers.js';
import { backingOf, loopDevice, loopDevices, loopPath, type LoopDevice } from '../../linux/loop-devices.js';
import { readMountinfo, type MountEntry } from '../../linux/mountinfo.js';
import type { Tree } from '../../linux/tree.js';
import type { Attachment } from '../../pools/mounts.js';
import { imageEpoch } from '../../volumes/records/layout.js';

/**
 * A loop device on an image of a volume:
 * - `live`: on the image as the pool has it now
 * - `former`: on an image that is the volume's no more (it was taken away from this node)
 * - `dead`: the GlusterFS client through which it was attached is gone; every call fails
 */
export interface ImageDevice extends LoopDevice {
  readonly state: 'live' | 'former' | 'dead';
  readonly epoch: number;
}

const DELETED = ' (deleted)';
/** statfs(2) */
const FUSE_SUPER_MAGIC = 0x65735546;
/** statfs(2): XFS, ext4, btrfs. One device, one filesystem: a file with another device is another file. */
const ON_A_DISK: readonly number[] = [0x58465342, 0xef53, 0x9123683e];
const GONE_WITHIN_MS = 5_000;
const POLL_MS = 50;

function fileOf({ file }: LoopDevice): string {
  return file.endsWith(DELETED) ? file.slice(0, -DELETED.length) : file;
}

/** The loop devices of this machine that are on an image of some volume, by the name of their file. */
export async function imageLoops(): Promise<LoopDevice[]> {
  return (await loopDevices()).filter((device) => imageEpoch(posix.basename(fileOf(device))) !== undefined);
}

/**
 * True when a directory may be the volume's in this pool. Of a GlusterFS client it lies at the client's mount point, or, after
 * the mount was detached, below nothing: what is mounted elsewhere is another node's client (a test, a nested cluster), which
 * may hang, and a question about its device with it.
 */
function isPlaceOf({ root, fsType }: Tree, path: string, directory: string): boolean {
  if (fsType === FUSE_SUPER_MAGIC) return directory === `${root}/${path}` || directory === `/${path}`;
  return `/${directory}`.endsWith(`/${path}`);
}

/**
 * The loop devices on images of a volume, told by sysfs and by the inode of their file, so that a restart of this process
 * forgets none. The paths of another pool's may be the same: their inodes are not.
 * @param path the volume's directory, relative to the root of the pool
 */
export async function imageDevicesOf(io: IoWorkers, attachment: Attachment, path: string): Promise<ImageDevice[]> {
  const { pool, tree } = attachment;
  const found: ImageDevice[] = [];
  for (const device of await imageLoops()) {
    const file = fileOf(device);
    const epoch = imageEpoch(posix.basename(file));
    if (epoch === undefined || !isPlaceOf(tree, path, posix.dirname(file))) continue;
    const backing = await backingOf(io, pool.name, device);
    if (backing === undefined) continue;
    if (backing === 'silent') throw unavailable(`pool ${pool.name} does not answer for ${loopPath(device)}; retry`);
    if (backing === 'dead') {
      found.push({ ...device, epoch, state: 'dead' });
      continue;
    }
    const image = await tree.stat(`${path}/${posix.basename(file)}`);
    const isThisFile = image?.ino === backing.ino;
    if (backing.dev === tree.dev) found.push({ ...device, epoch, state: isThisFile ? 'live' : 'former' });
    // The same file through another client of the pool, which may end at any time. Two disks only happen to use the same number.
    else if (isThisFile && !ON_A_DISK.includes(tree.fsType)) found.push({ ...device, epoch, state: 'dead' });
  }
  return found;
}

/** True for a mount of the filesystem on a device, or of the device itself. */
export function isMountOf(entry: MountEntry, { dev, number }: LoopDevice): boolean {
  return entry.dev === dev || isDeviceBind(entry, number);
}

/** /dev may be a devtmpfs or, in a container, a tmpfs. */
function isDeviceBind({ fsType, root }: MountEntry, number: number): boolean {
  return (fsType === 'devtmpfs' || fsType === 'tmpfs') && root === `/loop${number}`;
}

/** Where a device is mounted or shown in this mount namespace, but for `except`. */
export async function targetsOf(device: LoopDevice, except?: string): Promise<string[]> {
  return (await readMountinfo())
    .filter((entry) => isMountOf(entry, device) && entry.target !== except)
    .map(({ target }) => target);
}

export interface DetachOptions {
  readonly io: IoWorkers;
  /** Key of the io workers. */
  readonly pool: string;
  readonly handle: string;
  readonly log: Logger;
}

/**
 * Detaches a device and waits until it is gone, with all that was written to it at the bricks.
 * @throws KayalError FAILED_PRECONDITION while it is mounted here, ABORTED while something else has it open
 */
export async function detachDevice({ io, pool, handle, log }: DetachOptions, device: LoopDevice): Promise<void> {
  const [target] = await targetsOf(device);
  if (target !== undefined) {
    throw failedPrecondition(`volume ${handle} is in use at ${target} on this node: unpublish it first`);
  }
  try {
    await io.run(pool, 'flushLoop', [device.number]);
  } catch (error) {
    // A device whose client is gone takes no more writes; what it had not passed on is lost.
    const backing = await backingOf(io, pool, device);
    if (backing === undefined) return;
    if (backing !== 'dead') throw error;
    log.warn({ volume: handle, device: loopPath(device), error: messageOf(error) }, 'detached without writing it down');
  }
  await io.run(pool, 'detachLoop', [device.number]);
  const deadline = performance.now() + GONE_WITHIN_MS;
  while (await isSameAttachment(device)) {
    if (performance.now() > deadline) {
      throw aborted(
        `volume ${handle}: ${loopPath(device)} is still open, in some process or another mount namespace; retry`,
      );
    }
    await sleep(POLL_MS);
  }
}

/** The number may be another file's by now. */
async function isSameAttachment(device: LoopDevice): Promise<boolean> {
  const now = await loopDevice(device.number);
  return now !== undefined && fileOf(now) === fileOf(device);
}
