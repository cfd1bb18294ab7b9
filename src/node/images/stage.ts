import { alreadyExists, failedPrecondition, isErrno, messageOf } from '../../base/errors.js';
import { loopPath, type LoopDevice } from '../../linux/loop-devices.js';
import { readMountinfo, topMount } from '../../linux/mountinfo.js';
import type { MountFlag } from '../../linux/mount-flags.js';
import { Tree } from '../../linux/tree.js';
import { releaseImage } from '../../volumes/leases/image-lease.js';
import type { FsType } from '../../volumes/records/record.js';
import type { VolumeAccess } from '../../volumes/requests/capabilities.js';
import { makeTarget, realTarget } from '../target.js';
import { attachImage, refreshSize, type AttachOptions } from './attach.js';
import { growMounted, NOT_GROWN } from './grow.js';
import { detachDevice, imageDevicesOf, targetsOf } from './devices.js';

export interface StageOptions extends AttachOptions {
  readonly access: VolumeAccess;
  /** As the CO gives it; its parent directory is there. */
  readonly stagingPath: string;
}

/**
 * Errors would go on with ext4 by default. Blocks that are freed go back to the pool. A copy of an XFS has its UUID, and XFS
 * refuses to mount two of the same.
 */
const DATA: Readonly<Record<FsType, string>> = {
  ext4: 'discard,errors=remount-ro',
  xfs: 'discard,nouuid',
};
const DAMAGED = ['EUCLEAN', 'EBADMSG', 'EINVAL', 'EFSCORRUPTED', 'EFSBADCRC'];

/**
 * Attaches an image to this node, and mounts the filesystem in it at the staging path.
 * When it fails, nothing stays attached and the image is free for others, unless it was in use before.
 */
export async function stageImage(options: StageOptions): Promise<void> {
  const { io, log, volume, self } = options;
  const { attachment, record, handle } = volume;
  try {
    const device = await attachImage(options);
    if (record.fsType !== undefined) await mountImage(options, device, record.fsType);
  } catch (error) {
    try {
      const devices = await imageDevicesOf(io, attachment, record.path);
      for (const device of devices) {
        if ((await targetsOf(device)).length > 0) throw error;
        await detachDevice({ io, pool: attachment.pool.name, handle, log }, device);
      }
      await releaseImage(attachment.tree, record.id, self);
    } catch (failure) {
      if (failure !== error)
        log.warn({ volume: handle, error: messageOf(failure) }, 'a stage that failed was not undone');
    }
    throw error;
  }
}

/** Mounts it unless it is mounted there; either way the filesystem then has all of the device. */
async function mountImage(options: StageOptions, device: LoopDevice, fsType: FsType): Promise<void> {
  const { io, log, volume, access, stagingPath } = options;
  const { handle } = volume;
  const real = await realTarget(stagingPath);
  if (real === undefined) {
    throw failedPrecondition(
      `staging_target_path ${stagingPath}: its parent directory does not exist; the CO has to make it`,
    );
  }
  const top = topMount(await readMountinfo(), real);
  if (top !== undefined && top.dev !== device.dev) {
    throw failedPrecondition(
      `staging_target_path ${real} has something else mounted on it (${top.fsType} from ${top.source}): unmount that first`,
    );
  }
  if (top !== undefined && top.options.includes('ro') !== access.readOnly) {
    throw alreadyExists(
      `volume ${handle} is staged at ${real} already, ${access.readOnly ? 'read-write' : 'read-only'}: unstage it first`,
    );
  }
  if (top === undefined) {
    await makeTarget(io, real);
    await mountAt(options, device, fsType, real);
  }
  if (access.readOnly) return;
  await setFreshRoot(options, real);
  const bytes = await refreshSize({ io, volume }, device);
  const grown = await growMounted({ io, volume }, { mountPoint: real, device, fsType, bytes });
  if (!grown) log.warn({ volume: handle }, NOT_GROWN);
}

async function mountAt(
  { io, volume, access }: StageOptions,
  device: LoopDevice,
  fsType: FsType,
  target: string,
): Promise<void> {
  const flags: MountFlag[] = [...new Set<MountFlag>(['nosuid', 'nodev', ...access.flags])];
  const mount = {
    device: loopPath(device),
    fsType,
    // The journal is replayed all the same: the device is writable, and this node's alone.
    flags: access.readOnly ? [...flags, 'ro' as const] : flags,
    data: DATA[fsType],
  };
  try {
    await io.run(volume.attachment.pool.name, 'mountFilesystem', [target, mount]);
  } catch (error) {
    if (!isErrno(error, ...DAMAGED)) throw error;
    throw failedPrecondition(
      `volume ${volume.handle}: its ${fsType} cannot be mounted (${error.code}): see the kernel's log on this node, and docs/image-volumes.md ` +
        'on how to check and repair it; nothing is repaired by itself',
      { cause: error },
    );
  }
}

/**
 * Owner and permissions as the StorageClass says, as long as nobody has used the filesystem: its root is as mkfs made it,
 * and nothing is in it.
 */
async function setFreshRoot({ io, volume }: StageOptions, mountPoint: string): Promise<void> {
  const { attachment, record } = volume;
  const tree = await Tree.open(io, attachment.pool.name, mountPoint);
  try {
    const root = await tree.stat('');
    if (root === undefined || root.uid !== 0 || root.gid !== 0 || root.mode !== 0o755) return;
    const entries = (await tree.list('')) ?? [];
    if (entries.every(({ name }) => name === 'lost+found')) await tree.setOwnerAndMode('', record.owner);
  } finally {
    await tree.close();
  }
}
