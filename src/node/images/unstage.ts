import { failedPrecondition, KayalError, messageOf, unavailable } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { readMountinfo, topMount } from '../../linux/mountinfo.js';
import type { LoopDevice } from '../../linux/loop-devices.js';
import { releaseImage } from '../../volumes/leases/image-lease.js';
import { isImage } from '../../volumes/requests/volume-shape.js';
import type { NodeDependencies } from '../dependencies.js';
import { poolOfHandle } from '../requests.js';
import { realTarget, unmountAll } from '../target.js';
import { poolName } from '../unpublish.js';
import { recordOf, type NodeVolume } from '../volume.js';
import type { ImageVolume } from './attach.js';
import { detachDevice, imageDevicesOf, imageLoops, targetsOf } from './devices.js';

type Dependencies = Pick<NodeDependencies, 'io' | 'pools' | 'config' | 'self'>;

/** The volume, when it is an image with a record; undefined for all others. */
export function imageVolumeOf(volume: NodeVolume): ImageVolume | undefined {
  const { record } = volume;
  return record !== undefined && isImage(record) ? { ...volume, record } : undefined;
}

/**
 * Takes an image from this node: the filesystem is unmounted, the loop device detached and gone, what was written to it is
 * at the bricks; then other nodes may have it. OK for a volume that is no image.
 * @throws KayalError FAILED_PRECONDITION while it is published, ABORTED while something has it open, UNAVAILABLE while the
 *   pool cannot be reached and this node may have something of the volume attached
 */
export async function unstageImage(
  dependencies: Dependencies,
  handle: string,
  stagingPath: string,
  log: Logger,
): Promise<void> {
  const { io, self } = dependencies;
  const staged = await stagedDevice(stagingPath);
  if (staged !== undefined) {
    const [other] = await targetsOf(staged.device, staged.target);
    if (other !== undefined) {
      throw failedPrecondition(`volume ${handle} is published at ${other} on this node: unpublish it first`);
    }
    await unmountAll(io, poolName(handle), staged.target, log);
  }
  const volume = await findImage(dependencies, handle, log);
  const options = { io, pool: poolName(handle), handle, log };
  if (staged !== undefined) await detachDevice(options, staged.device);
  if (volume === undefined) return;
  const { attachment, record } = volume;
  for (const device of await imageDevicesOf(io, attachment, record.path)) await detachDevice(options, device);
  await releaseImage(attachment.tree, record.id, self);
}

/** The device of an image whose filesystem is mounted at a staging path. */
async function stagedDevice(
  stagingPath: string,
): Promise<{ readonly device: LoopDevice; readonly target: string } | undefined> {
  const target = await realTarget(stagingPath);
  if (target === undefined) return undefined;
  const top = topMount(await readMountinfo(), target);
  if (top === undefined) return undefined;
  const device = (await imageLoops()).find(({ dev }) => dev === top.dev);
  return device && { device, target };
}

/**
 * A pool that cannot be reached keeps no pod from ending, as long as nothing of any image is attached here.
 */
async function findImage(
  { pools, config }: Dependencies,
  handle: string,
  log: Logger,
): Promise<ImageVolume | undefined> {
  try {
    const { pool } = poolOfHandle(config(), handle);
    const attachment = await pools.attach(pool);
    const record = await recordOf(attachment, handle);
    return record === undefined ? undefined : imageVolumeOf({ handle, attachment, path: record.path, record });
  } catch (error) {
    if (error instanceof KayalError && error.code === 'NOT_FOUND') return undefined;
    if ((await imageLoops()).length > 0) {
      throw unavailable(
        `volume ${handle} may be attached to this node, and its pool cannot be asked (${messageOf(error)}); retry`,
        { cause: error },
      );
    }
    log.debug({ volume: handle, error: messageOf(error) }, 'unstaged without its pool');
    return undefined;
  }
}
