/* Flags of system calls. Where they differ between architectures (O_DIRECTORY, O_NOFOLLOW), Node.js knows them. */
import { constants } from 'node:fs';

export const O_RDONLY: number = constants.O_RDONLY;
export const O_WRONLY: number = constants.O_WRONLY;
export const O_RDWR: number = constants.O_RDWR;
export const O_CREAT: number = constants.O_CREAT;
export const O_EXCL: number = constants.O_EXCL;
export const O_DIRECTORY: number = constants.O_DIRECTORY;
export const O_NOFOLLOW: number = constants.O_NOFOLLOW;
export const O_NONBLOCK: number = constants.O_NONBLOCK;
export const O_NOCTTY: number = constants.O_NOCTTY;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_NO_AUTOMOUNT = 0x800;
export const AT_EMPTY_PATH = 0x1000;
export const AT_STATX_FORCE_SYNC = 0x2000;
export const AT_STATX_DONT_SYNC = 0x4000;

export const RESOLVE_NO_XDEV = 0x01;
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;
export const RESOLVE_IN_ROOT = 0x10;

/** linux/sched.h */
export const CLONE_FS = 0x200;
export const CLONE_NEWNS = 0x20000;

export const MS_PRIVATE = 0x40000;
export const MS_SHARED = 0x100000;
export const MNT_DETACH = 2;
export const UMOUNT_NOFOLLOW = 8;

/** linux/mount.h */
export const MOUNT_ATTR_RDONLY = 0x1;
export const MOUNT_ATTR_NOSUID = 0x2;
export const MOUNT_ATTR_NODEV = 0x4;
export const MOUNT_ATTR_NOEXEC = 0x8;
export const MOUNT_ATTR__ATIME = 0x70;
export const MOUNT_ATTR_NOATIME = 0x10;
export const MOUNT_ATTR_STRICTATIME = 0x20;
export const MOUNT_ATTR_NODIRATIME = 0x80;
export const MOUNT_ATTR_RELATIME = 0;
export const MOUNT_ATTR_NOSYMFOLLOW = 0x200000;
