/*
 * The C library's functions that Kayal uses, one typed function each, named after its system call. Layouts and numbers
 * are those of 64-bit little-endian Linux, the same on x86-64, arm64 and riscv64 (asm-generic/unistd.h, linux/*.h).
 *
 * Each throws a SystemError with the errno's name.
 */
import { AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, O_CLOEXEC } from './constants.js';
import { call, declare, type About, type CString } from './ffi.js';

const native = {
  openat2: declare('long syscall(long number, int directory, const char *path, const void *how, size_t size)'),
  close: declare('int close(int fd)'),
  read: declare('long read(int fd, void *buffer, size_t size)'),
  write: declare('long write(int fd, const void *data, size_t size)'),
  fsync: declare('int fsync(int fd)'),
  lseek: declare('int64_t lseek64(int fd, int64_t offset, int whence)'),
  getdents64: declare('long getdents64(int fd, void *buffer, size_t size)'),
  statx: declare('int statx(int directory, const char *path, int flags, unsigned int mask, void *result)'),
  fstatfs: declare('int fstatfs64(int fd, void *result)'),
  mkdirat: declare('int mkdirat(int directory, const char *path, unsigned int mode)'),
  unlinkat: declare('int unlinkat(int directory, const char *path, int flags)'),
  renameat: declare('int renameat(int from, const char *name, int to, const char *new_name)'),
  linkat: declare('int linkat(int from, const char *name, int to, const char *new_name, int flags)'),
  fchown: declare('int fchown(int fd, unsigned int uid, unsigned int gid)'),
  fchmod: declare('int fchmod(int fd, unsigned int mode)'),
  getxattr: declare('long getxattr(const char *path, const char *name, void *value, size_t size)'),
  setxattr: declare('int setxattr(const char *path, const char *name, const void *value, size_t size, int flags)'),
  removexattr: declare('int removexattr(const char *path, const char *name)'),
  ioctl: declare('int ioctl(int fd, unsigned long request, void *argument)'),
  ioctlFd: declare('int ioctl(int fd, unsigned long request, long argument)'),
  listxattr: declare('long listxattr(const char *path, void *list, size_t size)'),
  readlinkat: declare('long readlinkat(int directory, const char *path, void *buffer, size_t size)'),
  symlinkat: declare('int symlinkat(const char *target, int directory, const char *name)'),
  mknodat: declare('int mknodat(int directory, const char *name, unsigned int mode, uint64_t device)'),
  fchownat: declare('int fchownat(int directory, const char *name, unsigned int uid, unsigned int gid, int flags)'),
  fchmodat: declare('int fchmodat(int directory, const char *name, unsigned int mode, int flags)'),
  futimens: declare('int futimens(int fd, const void *times)'),
  utimensat: declare('int utimensat(int directory, const char *name, const void *times, int flags)'),
  ftruncate: declare('int ftruncate64(int fd, int64_t length)'),
  copyFileRange: declare(
    'long copy_file_range(int from, void *from_offset, int to, void *to_offset, size_t size, unsigned int flags)',
  ),
  syncfs: declare('int syncfs(int fd)'),
  fallocate: declare('int fallocate64(int fd, int mode, int64_t offset, int64_t length)'),
  mount: declare(
    'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
  ),
  umount2: declare('int umount2(const char *target, int flags)'),
  openTree: declare('long syscall(long number, int directory, const char *path, unsigned int flags)'),
  moveMount: declare(
    'long syscall(long number, int from, const char *path, int to, const char *new, unsigned int flags)',
  ),
  mountSetattr: declare(
    'long syscall(long number, int directory, const char *path, unsigned int flags, const void *attributes, size_t size)',
  ),
  quotactlFd: declare('long syscall(long number, int fd, unsigned int command, unsigned int id, void *argument)'),
  unshare: declare('int unshare(int flags)'),
  setns: declare('int setns(int fd, int type)'),
  fchdir: declare('int fchdir(int fd)'),
  chroot: declare('int chroot(const char *path)'),
  exit: declare('void _exit(int status)'),
};

export interface OpenHow {
  readonly flags: number;
  /** Permissions of a file that the call creates. */
  readonly mode?: number | undefined;
  /** RESOLVE_* bits. */
  readonly resolve: number;
}

/** In bytes. */
export interface FileRange {
  readonly offset: number;
  readonly length: number;
}

/** openat2(2), always with O_CLOEXEC. */
export function openat2(directory: number, path: CString, how: OpenHow, about: About): number {
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64LE(BigInt(how.flags | O_CLOEXEC), 0);
  bytes.writeBigUInt64LE(BigInt(how.mode ?? 0), 8);
  bytes.writeBigUInt64LE(BigInt(how.resolve), 16);
  return call('openat2', about, native.openat2, 437, directory, path, bytes, bytes.length);
}

/** close(2), whose failure means nothing to callers that called fsync before: the descriptor is gone in any case. */
export function close(fd: number): void {
  native.close(fd);
}

/** read(2): the number of bytes read, 0 at the end. */
export function read(fd: number, buffer: Uint8Array, about: About): number {
  return call('read', about, native.read, fd, buffer, buffer.length);
}

/** write(2): the number of bytes written, maybe fewer than given. */
export function write(fd: number, data: Uint8Array, about: About): number {
  return call('write', about, native.write, fd, data, data.length);
}

/** fsync(2) */
export function fsync(fd: number, about: About): void {
  call('fsync', about, native.fsync, fd);
}

/** lseek(2) with SEEK_SET; in a directory `offset` is a d_off of getdents64. */
export function seek(fd: number, offset: bigint, about: About): void {
  call('lseek', about, native.lseek, fd, offset, 0);
}

/** getdents64(2): the number of bytes of `buffer` that are filled with entries, 0 at the end. */
export function getdents64(fd: number, buffer: Uint8Array, about: About): number {
  return call('getdents64', about, native.getdents64, fd, buffer, buffer.length);
}

const STATX_BASIC_STATS = 0x7ff;

/** statx(2) into the 256 bytes of `result`. */
export function statx(
  directory: number,
  path: CString,
  flags: number,
  result: Uint8Array,
  about: About,
  mask: number = STATX_BASIC_STATS,
): void {
  call('statx', about, native.statx, directory, path, flags, mask, result);
}

/** fstatfs(2) into the 120 bytes of `result`. */
export function fstatfs(fd: number, result: Uint8Array, about: About): void {
  call('statfs', about, native.fstatfs, fd, result);
}

/** mkdirat(2); the umask applies. */
export function mkdirat(directory: number, name: CString, mode: number, about: About): void {
  call('mkdir', about, native.mkdirat, directory, name, mode);
}

/** unlinkat(2); `flags` is 0 or AT_REMOVEDIR. */
export function unlinkat(directory: number, name: CString, flags: number, about: About): void {
  call(flags === AT_REMOVEDIR ? 'rmdir' : 'unlink', about, native.unlinkat, directory, name, flags);
}

/** renameat(2) */
export function renameat(from: number, name: CString, to: number, newName: CString, about: About): void {
  call('rename', about, native.renameat, from, name, to, newName);
}

/** linkat(2), of the name itself when it is a symlink. */
export function linkat(from: number, name: CString, to: number, newName: CString, about: About): void {
  call('link', about, native.linkat, from, name, to, newName, 0);
}

/** fchown(2) */
export function fchown(fd: number, uid: number, gid: number, about: About): void {
  call('chown', about, native.fchown, fd, uid, gid);
}

/** fchmod(2) */
export function fchmod(fd: number, mode: number, about: About): void {
  call('chmod', about, native.fchmod, fd, mode);
}

/** getxattr(2): the length of the value; with an empty buffer only that. */
export function getxattr(path: string, name: string, value: Uint8Array, about: About): number {
  return call('getxattr', about, native.getxattr, path, name, value, value.length);
}

/** setxattr(2), created or replaced. */
export function setxattr(path: string, name: string, value: Uint8Array, about: About): void {
  call('setxattr', about, native.setxattr, path, name, value, value.length, 0);
}

/** removexattr(2) */
export function removexattr(path: string, name: string, about: About): void {
  call('removexattr', about, native.removexattr, path, name);
}

/** ioctl(2) with a structure as its argument. */
export function ioctl(fd: number, request: number, argument: Uint8Array, about: About): void {
  call('ioctl', about, native.ioctl, fd, request, argument);
}

/** ioctl(2) with a number as its argument; its result. */
export function ioctlValue(fd: number, request: number, value: number, about: About): number {
  return call('ioctl', about, native.ioctlFd, fd, request, value);
}

/** ioctl(2) FICLONE: makes the file `to` share all blocks of `from` (ioctl_ficlone(2)). */
export function cloneFile(to: number, from: number, about: About): void {
  call('ficlone', about, native.ioctlFd, to, 0x40049409, from);
}

/** listxattr(2): the length of the list of names, each ended by a NUL; with an empty buffer only that. */
export function listxattr(path: string, list: Uint8Array, about: About): number {
  return call('listxattr', about, native.listxattr, path, list, list.length);
}

/** readlinkat(2): the length of the target, which gets no NUL. */
export function readlinkat(directory: number, name: CString, buffer: Uint8Array, about: About): number {
  return call('readlink', about, native.readlinkat, directory, name, buffer, buffer.length);
}

/** symlinkat(2) */
export function symlinkat(target: CString, directory: number, name: CString, about: About): void {
  call('symlink', about, native.symlinkat, target, directory, name);
}

/** mknodat(2) with a type in `mode`; the umask applies. `device` as makedev(3) makes it. */
export function mknodat(directory: number, name: CString, mode: number, device: bigint, about: About): void {
  call('mknod', about, native.mknodat, directory, name, mode, device);
}

/** fchownat(2) of the name itself when it is a symlink; of `directory` itself, also one opened with O_PATH, for ''. */
export function fchownat(directory: number, name: CString, uid: number, gid: number, about: About): void {
  call('chown', about, native.fchownat, directory, name, uid, gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
}

/** fchmodat(2), which follows a symlink. */
export function fchmodat(directory: number, name: CString, mode: number, about: About): void {
  call('chmod', about, native.fchmodat, directory, name, mode, 0);
}

/** futimens(3) with two timespecs: access, modification. */
export function futimens(fd: number, times: Uint8Array, about: About): void {
  call('utimens', about, native.futimens, fd, times);
}

/** utimensat(2) of the name itself when it is a symlink. */
export function utimensat(directory: number, name: CString, times: Uint8Array, about: About): void {
  call('utimens', about, native.utimensat, directory, name, times, AT_SYMLINK_NOFOLLOW);
}

/** ftruncate(2) */
export function ftruncate(fd: number, length: number, about: About): void {
  call('ftruncate', about, native.ftruncate, fd, length);
}

/** fallocate(2); mode 0 gives blocks to a range, and the file that size where it ends behind its end. */
export function fallocate(fd: number, mode: number, range: FileRange, about: About): void {
  call('fallocate', about, native.fallocate, fd, mode, range.offset, range.length);
}

/** copy_file_range(2) from and to the same offset: the number of bytes copied, 0 at the end. */
export function copyFileRange(from: number, to: number, range: FileRange, about: About): number {
  const offsets = [Buffer.alloc(8), Buffer.alloc(8)] as const;
  for (const offset of offsets) offset.writeBigInt64LE(BigInt(range.offset));
  return call('copy_file_range', about, native.copyFileRange, from, offsets[0], to, offsets[1], range.length, 0);
}

/** syncfs(2): the whole filesystem of `fd`. */
export function syncfs(fd: number, about: About): void {
  call('syncfs', about, native.syncfs, fd);
}

/** lseek(2) with SEEK_DATA or SEEK_HOLE: the offset found. ENXIO: there is no data after `offset`. */
export function seekTo(fd: number, offset: number, what: 'data' | 'hole', about: About): number {
  return call('lseek', about, native.lseek, fd, offset, what === 'data' ? 3 : 4);
}

export interface MountRequest {
  readonly source: string;
  readonly target: string;
  readonly fsType: string;
  /** MS_* bits. */
  readonly flags: number;
  readonly data: string;
}

/** mount(2) of a filesystem that is not mounted there yet. */
export function mount({ source, target, fsType, flags, data }: MountRequest, about: About): void {
  call('mount', about, native.mount, source, target, fsType, flags, data);
}

/** umount2(2) */
export function umount2(target: string, flags: number): void {
  call('umount', target, native.umount2, target, flags);
}

/** open_tree(2) with OPEN_TREE_CLONE: a detached copy of the mount that `fd` is on, with `fd` as its root. */
export function openTreeClone(fd: number, about: About): number {
  return call('open_tree', about, native.openTree, 428, fd, '', 1 | O_CLOEXEC | AT_EMPTY_PATH);
}

/** move_mount(2): attaches the mount of `from` on the directory that `to` stands for. */
export function moveMount(from: number, to: number, about: About): void {
  call('move_mount', about, native.moveMount, 429, from, '', to, '', 0x4 | 0x40);
}

/**
 * move_mount(2) with MOVE_MOUNT_BENEATH: attaches the mount of `from` below the mount whose root `to` is, where it is seen
 * as soon as that one goes. Since Linux 6.5; EINVAL before.
 */
export function moveMountBeneath(from: number, to: number, about: About): void {
  call('move_mount', about, native.moveMount, 429, from, '', to, '', 0x4 | 0x40 | 0x200);
}

export interface MountAttributes {
  /** MOUNT_ATTR_* bits. */
  readonly set: number;
  readonly clear: number;
  /** MS_PRIVATE and the like; 0 leaves it. */
  readonly propagation: number;
}

/** mount_setattr(2) on the mount of `fd`. Since Linux 5.12. */
export function mountSetattr(fd: number, attributes: MountAttributes, about: About): void {
  const bytes = Buffer.alloc(32);
  bytes.writeBigUInt64LE(BigInt(attributes.set), 0);
  bytes.writeBigUInt64LE(BigInt(attributes.clear), 8);
  bytes.writeBigUInt64LE(BigInt(attributes.propagation), 16);
  call('mount_setattr', about, native.mountSetattr, 442, fd, '', AT_EMPTY_PATH, bytes, bytes.length);
}

/** quotactl_fd(2) on the filesystem of `fd`. Since Linux 5.14. */
export function quotactlFd(fd: number, command: number, id: number, argument: Uint8Array, about: About): void {
  call('quotactl', about, native.quotactlFd, 443, fd, command, id, argument);
}

/** unshare(2), of the calling thread alone. */
export function unshare(flags: number): void {
  call('unshare', String(flags), native.unshare, flags);
}

/** setns(2), of the calling thread alone; root and working directory are the namespace's root then. */
export function setns(fd: number, type: number, about: About): void {
  call('setns', about, native.setns, fd, type);
}

/** fchdir(2) */
export function fchdir(fd: number, about: About): void {
  call('fchdir', about, native.fchdir, fd);
}

/** chroot(2) */
export function chroot(path: string): void {
  call('chroot', path, native.chroot, path);
}

/** _exit(2): ends the process with all its threads, also those that hang in a system call. */
export function exit(status: number): void {
  native.exit(status);
}
