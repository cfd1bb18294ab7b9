import { SystemError } from '../../base/errors.js';
import { ANY_PATH, DIRECTORY_PATH, magicPath, openBeneath, withFd } from '../handles.js';
import * as libc from '../libc.js';
import { statusOf } from '../stat.js';
import { sys } from '../sys.js';
import { usageOf, type FsUsage } from './roots.js';

export interface OwnerAndMode {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits (07777). */
  readonly mode: number;
}

/**
 * Only what differs is set, and the directory itself is not opened: each of these is a request of its own to a FUSE client.
 * chown before chmod: it clears the set-user-ID and set-group-ID bits (chown(2)).
 */
export function setOwnerAndMode(root: number, path: string, wanted: OwnerAndMode): void {
  withFd(openBeneath(root, path, DIRECTORY_PATH), (fd) => {
    const { uid, gid, mode } = statusOf(fd, path);
    const isOthers = uid !== wanted.uid || gid !== wanted.gid;
    if (isOthers) sys.fchownat(fd, '', wanted.uid, wanted.gid, path);
    if (isOthers || mode !== wanted.mode) sys.fchmodat(fd, magicPath(fd), wanted.mode, path);
  });
}

/** fsetxattr(2) refuses an O_PATH descriptor; its magic path leads to the same file, without opening the file itself. */
function withXattrPath<T>(root: number, path: string, work: (magic: string, fd: number) => T): T {
  return withFd(openBeneath(root, path, ANY_PATH), (fd) => {
    const { type } = statusOf(fd, path);
    if (type !== 'directory' && type !== 'file') throw new SystemError('ELOOP', 'xattr', path);
    return work(magicPath(fd), fd);
  });
}

/** setxattr(2), created or replaced. */
export function setXattr(root: number, path: string, name: string, value: Uint8Array): void {
  withXattrPath(root, path, (magic) => {
    sys.setxattr(magic, name, value, `${name} of ${path}`);
  });
}

/** setxattr(2) of what changes the figures of statfs(2); those that it shows then. */
export function setXattrThenStatfs(root: number, path: string, name: string, value: Uint8Array): FsUsage {
  return withXattrPath(root, path, (magic, fd) => {
    sys.setxattr(magic, name, value, `${name} of ${path}`);
    return usageOf(fd, path);
  });
}

/** Undefined: there is no such attribute. */
export function getXattr(root: number, path: string, name: string): Uint8Array | undefined {
  const about = `${name} of ${path}`;
  return withXattrPath(root, path, (magic) => {
    for (let size = 256; ;) {
      try {
        const value = new Uint8Array(size);
        return value.slice(0, libc.getxattr(magic, name, value, about));
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        if (error.code === 'ENODATA') return undefined;
        if (error.code !== 'ERANGE') throw error;
        size = libc.getxattr(magic, name, new Uint8Array(0), about);
      }
    }
  });
}

/** OK when there is no such attribute. */
export function removeXattr(root: number, path: string, name: string): void {
  withXattrPath(root, path, (magic) => {
    try {
      sys.removexattr(magic, name, `${name} of ${path}`);
    } catch (error) {
      if (!(error instanceof SystemError && error.code === 'ENODATA')) throw error;
    }
  });
}
