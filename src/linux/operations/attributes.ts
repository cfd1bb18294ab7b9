import { SystemError } from '../../base/errors.js';
import { ANY_PATH, DIRECTORY, magicPath, openBeneath, withFd } from '../handles.js';
import * as libc from '../libc.js';
import { statusOf } from '../stat.js';
import { sys } from '../sys.js';

export interface OwnerAndMode {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits (07777). */
  readonly mode: number;
}

/** chown before chmod: it clears the set-user-ID and set-group-ID bits (chown(2)). */
export function setOwnerAndMode(root: number, path: string, wanted: OwnerAndMode): void {
  withFd(openBeneath(root, path, DIRECTORY), (fd) => {
    sys.fchown(fd, wanted.uid, wanted.gid, path);
    sys.fchmod(fd, wanted.mode, path);
  });
}

/** fsetxattr(2) refuses an O_PATH descriptor; its magic path leads to the same file, without opening the file itself. */
function withXattrPath<T>(root: number, path: string, work: (magic: string) => T): T {
  return withFd(openBeneath(root, path, ANY_PATH), (fd) => {
    const { type } = statusOf(fd, path);
    if (type !== 'directory' && type !== 'file') throw new SystemError('ELOOP', 'xattr', path);
    return work(magicPath(fd));
  });
}

/** setxattr(2), created or replaced. */
export function setXattr(root: number, path: string, name: string, value: Uint8Array): void {
  withXattrPath(root, path, (magic) => {
    sys.setxattr(magic, name, value, `${name} of ${path}`);
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
