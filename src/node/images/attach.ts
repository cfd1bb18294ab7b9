import { setTimeout as sleep } from 'node:timers/promises';
import { aborted, failedPrecondition, isErrno, unavailable } from '../../base/errors.js';
import { formatBytes } from '../../base/units.js';
import type { Logger } from '../../base/logger.js';
import type { IoWorkers } from '../../linux/io-workers.js';
import { loopDevice, loopPath, type LoopDevice } from '../../linux/loop-devices.js';
import { acquireImage, type ImageUser } from '../../volumes/leases/image-lease.js';
import type { VolumeRecord } from '../../volumes/records/record.js';
import type { NodeVolume } from '../volume.js';
import { ensureFilesystem } from './content.js';
import { detachDevice, imageDevicesOf, targetsOf, type ImageDevice } from './devices.js';

/** A volume that is an image. */
export interface ImageVolume extends NodeVolume {
  readonly record: VolumeRecord;
}

export interface AttachOptions {
  readonly io: IoWorkers;
  readonly log: Logger;
  readonly volume: ImageVolume;
  readonly self: ImageUser;
}

/** The client may remember the size that the image had a moment ago (features of md-cache: 1 s). */
const SIZE_LOOKS = 20;
const SIZE_PAUSE_MS = 250;

/**
 * The one loop device on the image of a volume, attached if it is not yet, and as large as the volume. This node holds the
 * image's lease then.
 * @throws KayalError FAILED_PRECONDITION when another node uses the image, when something else than the volume's filesystem
 *   is in it, or while a device on a former image is in use here; ABORTED, UNAVAILABLE
 */
export async function attachImage(options: AttachOptions): Promise<LoopDevice> {
  const { io, volume, self } = options;
  const { attachment, record, handle } = volume;
  const { tree } = attachment;
  const image = await acquireImage(tree, record, self);
  let device: LoopDevice | undefined;
  for (const known of await imageDevicesOf(io, attachment, record.path)) {
    if (known.state === 'live' && known.epoch === image.epoch) device = known;
    else await removeUseless(options, known);
  }
  // A mount keeps it; nothing keeps the device of a raw block volume until a pod opens it.
  if (device?.detaching === true && record.type === 'block') {
    throw aborted(`volume ${handle}: its former ${loopPath(device)} is still open in some process; retry`);
  }
  await tree.growImage(image.path, record.limitBytes);
  if (device === undefined) {
    if (record.fsType !== undefined) await ensureFilesystem(tree, record, image.path, record.fsType);
    device = await attach(volume, image.path);
  }
  if (device === undefined)
    throw aborted(`volume ${handle}: its loop device was detached as soon as it was attached; retry`);
  // It may have been taken away while all that was done: nothing is written to it before this is known.
  const now = await acquireImage(tree, record, self);
  if (now.epoch !== image.epoch) {
    await detachDevice({ io, pool: attachment.pool.name, handle, log: options.log }, device);
    throw aborted(`volume ${handle} was taken away from this node meanwhile; retry`);
  }
  await refreshSize(options, device);
  return device;
}

async function attach({ handle, attachment }: ImageVolume, path: string): Promise<LoopDevice | undefined> {
  try {
    return await loopDevice(await attachment.tree.call('attachLoop', [path]));
  } catch (error) {
    if (!isErrno(error, 'ENODEV', 'ENXIO') || !error.message.includes('/dev/loop-control')) throw error;
    throw failedPrecondition(
      `volume ${handle} needs a loop device, and this node's kernel has none: load its module (modprobe loop)`,
      { cause: error },
    );
  }
}

/** A device on an image that is no more, or through a client that is gone: it goes unless somebody still has it mounted. */
async function removeUseless({ io, log, volume }: AttachOptions, device: ImageDevice): Promise<void> {
  const { handle, attachment } = volume;
  const [target] = await targetsOf(device);
  if (target !== undefined) {
    const why = device.state === 'dead' ? 'its GlusterFS client is gone' : 'the volume was taken away from this node';
    throw failedPrecondition(
      `volume ${handle} is still mounted at ${target} from ${loopPath(device)}, which is of no use (${why}): delete its pods here`,
    );
  }
  await detachDevice({ io, pool: attachment.pool.name, handle, log }, device);
}

/**
 * Makes the device as large as the volume.
 * @returns its size in bytes
 * @throws KayalError UNAVAILABLE when the image does not get there
 */
export async function refreshSize(
  { io, volume }: Pick<AttachOptions, 'io' | 'volume'>,
  device: LoopDevice,
): Promise<bigint> {
  const { record, attachment, handle } = volume;
  for (let look = 1; ; look++) {
    const bytes = await io.run(attachment.pool.name, 'refreshLoop', [device.number]);
    if (bytes >= record.limitBytes) return bytes;
    if (look === SIZE_LOOKS) {
      throw unavailable(
        `volume ${handle} has ${formatBytes(record.limitBytes)}, and ${loopPath(device)} only ${formatBytes(bytes)}; retry`,
      );
    }
    await sleep(SIZE_PAUSE_MS);
    // Asks the image's server for its size anew.
    await attachment.tree.call('imageSize', [`${record.path}/${device.file.slice(device.file.lastIndexOf('/') + 1)}`]);
  }
}
