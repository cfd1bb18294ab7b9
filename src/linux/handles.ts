import type { About } from './ffi.js';
import { SystemError } from '../base/errors.js';
import {
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from './constants.js';
import * as libc from './libc.js';
import { components, splitPath } from './paths.js';

/** Nothing outside of the tree: no symlink, no `..` above it, and no other mount. */
const BENEATH = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;

/* Without O_NOFOLLOW a symlink at the end fails with ELOOP here, as any other; with it, with ENOTDIR. */
export const DIRECTORY: number = O_RDONLY | O_DIRECTORY;
export const DIRECTORY_PATH: number = O_PATH | O_DIRECTORY;
/** Neither a FIFO nor a terminal may make the caller wait or become its terminal. */
export const READ: number = O_RDONLY | O_NONBLOCK | O_NOCTTY;
/** Anything, also a symlink itself. */
export const ANY_PATH: number = O_PATH | O_NOFOLLOW;

/** Runs `work` with a descriptor and closes it. */
export function withFd<T>(fd: number, work: (fd: number) => T): T {
  try {
    return work(fd);
  } finally {
    libc.close(fd);
  }
}

/**
 * Opens a path of the tree whose root is `root` (or of the directory `root`, for one name).
 * @throws SystemError ELOOP for a symlink, EXDEV for a path that leaves the tree or crosses a mount
 */
export function openBeneath(root: number, path: string, flags: number): number {
  const relative = components(path).join('/');
  return libc.openat2(root, relative === '' ? '.' : relative, { flags, resolve: BENEATH }, path);
}

/** As `openBeneath`, for a path of one byte per character (latin1) that came from names as the kernel gave them. */
export function openBeneathBytes(root: number, path: string, flags: number): number {
  const bytes = Buffer.from(`${path === '' ? '.' : path}\0`, 'latin1');
  return libc.openat2(root, bytes, { flags, resolve: BENEATH }, () => bytes.toString('utf8', 0, bytes.length - 1));
}

/** Opens a name of one directory as getdents64 gave it, under the same rules. */
export function openName(directory: number, name: Uint8Array, flags: number, about: About): number {
  return libc.openat2(directory, name, { flags, resolve: BENEATH }, about);
}

/** How to create a file that must not be there yet, for `sys.create`. */
export const CREATE: libc.OpenHow = {
  flags: O_WRONLY | O_CREAT | O_EXCL,
  mode: 0o600,
  resolve: BENEATH,
};

/** Runs `work` with the directory that holds `path`, and the name in it. */
export function withParent<T>(root: number, path: string, work: (parent: number, name: string) => T): T {
  const { parent, name } = splitPath(path);
  return parent === '' ? work(root, name) : withFd(openBeneath(root, parent, DIRECTORY_PATH), (fd) => work(fd, name));
}

/** The path by which the kernel finds what an O_PATH descriptor stands for, whatever happens to its name (proc(5)). */
export function magicPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** The result of `work`, or undefined when what it looks for is not there. */
export function unlessAbsent<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof SystemError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  }
}
