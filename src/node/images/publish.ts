import { alreadyExists, failedPrecondition, unavailable } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { IoWorkers } from '../../linux/io-workers.js';
import { loopPath } from '../../linux/loop-devices.js';
import { readMountinfo, topMount, type MountEntry } from '../../linux/mountinfo.js';
import { Tree } from '../../linux/tree.js';
import { describeOptions, hasParameters, type PublishParameters } from '../publishes.js';
import { makeTarget, makeTargetFile, removeTarget, unmountAll } from '../target.js';
import type { ImageVolume } from './attach.js';
import { imageDevicesOf, isMountOf, type ImageDevice } from './devices.js';

export interface ImagePublish extends PublishParameters {
  readonly io: IoWorkers;
  readonly log: Logger;
  readonly volume: ImageVolume;
  /** As mountinfo shows it. */
  readonly target: string;
  /** As mountinfo shows it; undefined: it does not exist. */
  readonly stagingTarget: string | undefined;
  readonly exclusive: boolean;
}

/**
 * Shows a staged image at the target: its filesystem's root, or the device itself at a file.
 * @throws KayalError FAILED_PRECONDITION when it is not staged, or published where it excludes this; ALREADY_EXISTS at the
 *   target with other options
 */
export async function publishImage(wanted: ImagePublish): Promise<void> {
  const { volume, target, stagingTarget, exclusive } = wanted;
  const device = await stagedDevice(wanted);
  const entries = await readMountinfo();
  const publishes = entries.filter((entry) => isMountOf(entry, device) && entry.target !== stagingTarget);
  const top = topMount(entries, target);
  if (top !== undefined && !isMountOf(top, device)) {
    throw failedPrecondition(
      `target_path ${target} has something else mounted on it (${top.fsType} from ${top.source}): unmount that first`,
    );
  }
  const other = publishes.find((entry) => entry.target !== target);
  if (top === undefined && exclusive && other !== undefined) {
    throw failedPrecondition(
      `volume ${volume.handle} may be used by one pod only (ReadWriteOncePod) and is published at ${other.target} already`,
    );
  }
  if (volume.record.type === 'block') await publishBlock(wanted, device, top, other);
  else await publishFilesystem(wanted, device, entries, top);
}

async function stagedDevice({ io, volume }: ImagePublish): Promise<ImageDevice> {
  const { attachment, record, handle } = volume;
  const devices = await imageDevicesOf(io, attachment, record.path);
  const live = devices.find(({ state }) => state === 'live');
  if (live !== undefined) return live;
  const [useless] = devices;
  if (useless === undefined) {
    throw failedPrecondition(`volume ${handle} is not staged on this node; NodeStageVolume comes first`);
  }
  const why =
    useless.state === 'dead'
      ? 'the GlusterFS client that it was attached through is gone'
      : 'it was taken away from this node';
  throw unavailable(
    `volume ${handle} cannot be published from ${loopPath(useless)}: ${why}; delete all its pods on this node, so that it is staged again`,
  );
}

async function publishFilesystem(
  wanted: ImagePublish,
  device: ImageDevice,
  entries: readonly MountEntry[],
  top: MountEntry | undefined,
): Promise<void> {
  const { io, log, volume, target, stagingTarget } = wanted;
  const { attachment, handle } = volume;
  const staging = stagingTarget === undefined ? undefined : topMount(entries, stagingTarget);
  if (stagingTarget === undefined || staging === undefined || staging.dev !== device.dev) {
    throw failedPrecondition(`volume ${handle} is not staged at the staging_target_path; NodeStageVolume comes first`);
  }
  if (top !== undefined) {
    if (hasParameters(top, staging, wanted)) return;
    throw alreadyExists(
      `volume ${handle} is published at ${target} already, with other options (${describeOptions(top.options)}): unpublish it first`,
    );
  }
  const made = await makeTarget(io, target);
  try {
    const tree = await Tree.open(io, attachment.pool.name, stagingTarget);
    try {
      await tree.bind('', target, wanted);
    } finally {
      await tree.close();
    }
    await verify(wanted, device);
  } catch (error) {
    await unmountAll(io, attachment.pool.name, target, log);
    if (made) await removeTarget(io, target);
    throw error;
  }
}

/** The kernel knows read-only devices, not read-only views of one: all publishes of a device are the same in this. */
async function publishBlock(
  wanted: ImagePublish,
  device: ImageDevice,
  top: MountEntry | undefined,
  other: MountEntry | undefined,
): Promise<void> {
  const { io, log, volume, target, readOnly } = wanted;
  const { attachment, handle } = volume;
  if (device.readOnly !== readOnly) {
    const present = device.readOnly ? 'read-only' : 'read-write';
    if (top !== undefined)
      throw alreadyExists(`volume ${handle} is published at ${target} already, ${present}: unpublish it first`);
    if (other !== undefined) {
      throw failedPrecondition(
        `volume ${handle} is published ${present} at ${other.target}; a raw block volume is that for all its pods on a node`,
      );
    }
    await io.run(attachment.pool.name, 'setLoopReadOnly', [device.number, readOnly]);
  }
  if (top !== undefined) return;
  const made = await makeTargetFile(io, target);
  try {
    await io.run(attachment.pool.name, 'bindDevice', [loopPath(device), target]);
    await verify(wanted, device);
  } catch (error) {
    await unmountAll(io, attachment.pool.name, target, log);
    if (made) await removeTarget(io, target);
    throw error;
  }
}

/** A pod must see the volume or nothing. */
async function verify({ io, volume, target }: ImagePublish, device: ImageDevice): Promise<void> {
  const top = topMount(await readMountinfo(), target);
  if (top !== undefined) {
    const dev =
      volume.record.type === 'file' ? top.dev : await io.run(volume.attachment.pool.name, 'blockDeviceAt', [target]);
    if (dev === device.dev) return;
  }
  throw unavailable(
    `volume ${volume.handle}: what is mounted at ${target} is not the volume; it was unmounted again, retry`,
  );
}
