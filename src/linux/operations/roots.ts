import { AT_FDCWD, O_NOFOLLOW } from '../constants.js';
import * as libc from '../libc.js';
import { ANY_PATH, DIRECTORY_PATH, openBeneath, unlessAbsent, withFd } from '../handles.js';
import { absolutePath } from '../paths.js';
import { statusOf, type Entry } from '../stat.js';

/** A filesystem's size, in bytes, as statfs(2) gives it. */
export interface FsUsage {
  /** f_type: FUSE 0x65735546, XFS 0x58465342, ext4 0xef53. */
  readonly fsType: number;
  readonly blockSize: bigint;
  readonly total: bigint;
  readonly free: bigint;
  /** What users other than root may still write. */
  readonly available: bigint;
  readonly files: bigint;
  readonly filesFree: bigint;
}

export interface OpenRoot {
  readonly fd: number;
  readonly dev: string;
  readonly fsType: number;
}

/** fstatfs(2), also of what was opened with O_PATH. */
export function usageOf(fd: number, about: string): FsUsage {
  const bytes = Buffer.alloc(120);
  libc.fstatfs(fd, bytes, about);
  // The counts are in units of f_frsize; the kernel fills it in when the filesystem does not (fs/statfs.c).
  const unit = bytes.readBigUInt64LE(72);
  return {
    fsType: Number(bytes.readBigUInt64LE(0)),
    blockSize: unit,
    total: bytes.readBigUInt64LE(16) * unit,
    free: bytes.readBigUInt64LE(24) * unit,
    available: bytes.readBigUInt64LE(32) * unit,
    files: bytes.readBigUInt64LE(40),
    filesFree: bytes.readBigUInt64LE(48),
  };
}

/** Opens the root of a tree. Its own name must not be a symlink; those before it may be (the administrator made them). */
export function openRoot(path: string): OpenRoot {
  const about = path;
  const fd = libc.openat2(
    AT_FDCWD,
    path === '/' ? path : absolutePath(path),
    { flags: DIRECTORY_PATH | O_NOFOLLOW, resolve: 0 },
    about,
  );
  try {
    return { fd, dev: statusOf(fd, about).dev, fsType: usageOf(fd, about).fsType };
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** Closes what `openRoot` opened. */
export function closeRoot(fd: number): void {
  libc.close(fd);
}

/** Undefined: nothing there. Symlinks are not followed. */
export function stat(root: number, path: string): Entry | undefined {
  return unlessAbsent(() => withFd(openBeneath(root, path, ANY_PATH), (fd) => statusOf(fd, path)));
}

/** The filesystem as seen at `path`: Gluster and project quota show a volume's own limit there. */
export function statfs(root: number, path: string): FsUsage {
  return withFd(openBeneath(root, path, ANY_PATH), (fd) => usageOf(fd, path));
}
