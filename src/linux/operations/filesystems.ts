/*
 * Filesystems on loop devices: mounted, grown while in use, and shown at the targets of block volumes.
 */
import { SystemError } from '../../base/errors.js';
import * as c from '../constants.js';
import { magicPath, withFd } from '../handles.js';
import * as libc from '../libc.js';
import type { MountFlag } from '../mount-flags.js';
import { absolutePath } from '../paths.js';
import { cachedStatusOf } from '../stat.js';
import { sys } from '../sys.js';
import { openTarget } from './mounts.js';

/** mount(2) */
const MOUNT_FLAGS: Readonly<Record<MountFlag, number>> = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  noatime: 1024,
  nodiratime: 2048,
  relatime: 1 << 21,
};
/** linux/ext4: _IOW('f', 16, __u64) */
const EXT4_IOC_RESIZE_FS = 0x40086610;
/** fs/xfs/libxfs/xfs_fs.h: struct xfs_fsop_geom_v1 of 112 bytes, struct xfs_growfs_data of 16. */
const XFS_IOC_FSGEOMETRY_V1 = 0x80705864;
const XFS_IOC_FSGROWFSDATA = 0x4010586e;

export interface FilesystemMount {
  readonly device: string;
  readonly fsType: string;
  readonly flags: readonly MountFlag[];
  /** Options of the filesystem itself. */
  readonly data: string;
}

/** mount(2) on a directory, whose last name is no symlink. */
export function mountFilesystem(target: string, { device, fsType, flags, data }: FilesystemMount): void {
  withFd(openTarget(target), (fd) => {
    const bits = flags.reduce((sum, flag) => sum | MOUNT_FLAGS[flag], 0);
    sys.mount({ source: device, target: magicPath(fd), fsType, flags: bits, data }, target);
  });
}

/** Blocks of an ext4 and their size, as its superblock on the device says (Documentation/filesystems/ext4/super.rst). */
function sizeOfExt4(device: string): { readonly blocks: bigint; readonly blockSize: bigint } {
  const how = { flags: c.O_RDONLY | c.O_NOFOLLOW, resolve: c.RESOLVE_NO_MAGICLINKS };
  return withFd(libc.openat2(c.AT_FDCWD, device, how, device), (fd) => {
    const superblock = Buffer.alloc(1024);
    libc.seek(fd, 1024n, device);
    if (libc.read(fd, superblock, device) < superblock.length) throw new SystemError('EIO', 'read', device);
    const low = BigInt(superblock.readUInt32LE(4));
    const has64Bit = (superblock.readUInt32LE(96) & 0x80) !== 0;
    const high = has64Bit ? BigInt(superblock.readUInt32LE(0x150)) : 0n;
    return { blocks: (high << 32n) | low, blockSize: 1024n << BigInt(superblock.readUInt32LE(24)) };
  });
}

function growExt4(fd: number, device: string, deviceBytes: bigint, about: string): void {
  const { blocks, blockSize } = sizeOfExt4(device);
  const wanted = deviceBytes / blockSize;
  // The call itself needs CAP_SYS_RESOURCE, also where there is nothing to do.
  if (wanted <= blocks) return;
  const argument = Buffer.alloc(8);
  argument.writeBigUInt64LE(wanted);
  sys.ioctl(fd, EXT4_IOC_RESIZE_FS, argument, about);
}

function growXfs(fd: number, deviceBytes: bigint, about: string): void {
  const geometry = Buffer.alloc(112);
  libc.ioctl(fd, XFS_IOC_FSGEOMETRY_V1, geometry, about);
  const blocks = deviceBytes / BigInt(geometry.readUInt32LE(0));
  if (blocks <= geometry.readBigUInt64LE(32)) return;
  const wanted = Buffer.alloc(16);
  wanted.writeBigUInt64LE(blocks, 0);
  wanted.writeUInt32LE(geometry.readUInt32LE(28), 8);
  sys.ioctl(fd, XFS_IOC_FSGROWFSDATA, wanted, about);
}

/**
 * Lets a mounted filesystem take all of its device; one that has it already stays as it is.
 * @throws SystemError EPERM without CAP_SYS_RESOURCE (ext4) or CAP_SYS_ADMIN (XFS)
 */
export function growFilesystem(target: string, device: string, fsType: 'ext4' | 'xfs', deviceBytes: bigint): void {
  const path = absolutePath(target);
  const how = { flags: c.O_RDONLY | c.O_DIRECTORY | c.O_NOFOLLOW, resolve: c.RESOLVE_NO_MAGICLINKS };
  withFd(libc.openat2(c.AT_FDCWD, path, how, path), (fd) => {
    if (fsType === 'xfs') growXfs(fd, deviceBytes, path);
    else growExt4(fd, device, deviceBytes, path);
  });
}

/** Makes the file that a block device is to be shown at; false: a file is there. ELOOP, EISDIR: something else is. */
export function prepareTargetFile(target: string): boolean {
  const path = absolutePath(target);
  try {
    sys.mknodat(c.AT_FDCWD, path, 0o100600, 0n, path);
    return true;
  } catch (error) {
    if (!(error instanceof SystemError && error.code === 'EEXIST')) throw error;
  }
  withFd(openTarget(path, 'file'), () => undefined);
  return false;
}

/** Shows the block device `device` at a file. It is private, as other binds are (mounts.ts). */
export function bindDevice(device: string, target: string): void {
  const how = { flags: c.O_PATH | c.O_NOFOLLOW, resolve: c.RESOLVE_NO_MAGICLINKS };
  withFd(libc.openat2(c.AT_FDCWD, device, how, device), (source) => {
    withFd(openTarget(target, 'file'), (destination) => {
      withFd(libc.openTreeClone(source, device), (clone) => {
        const about = `${device} at ${target}`;
        sys.mountSetattr(
          clone,
          { set: c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NOEXEC, clear: 0, propagation: c.MS_PRIVATE },
          about,
        );
        sys.moveMount(clone, destination, about);
        sys.mountSetattr(clone, { set: 0, clear: 0, propagation: c.MS_PRIVATE }, about);
      });
    });
  });
}

/** Removes a target that was made for a block device: an empty file. False: it is not there. ENOTDIR: something else is. */
export function removeTargetFile(target: string): boolean {
  const path = absolutePath(target);
  let fd: number;
  try {
    fd = libc.openat2(c.AT_FDCWD, path, { flags: c.O_PATH | c.O_NOFOLLOW, resolve: c.RESOLVE_NO_MAGICLINKS }, path);
  } catch (error) {
    if (error instanceof SystemError && error.code === 'ENOENT') return false;
    throw error;
  }
  withFd(fd, () => {
    const { type, size } = cachedStatusOf(fd, path);
    if (type !== 'file' || size > 0n) throw new SystemError('ENOTDIR', 'unlink', path);
    sys.unlinkat(c.AT_FDCWD, path, 0, path);
  });
  return true;
}
