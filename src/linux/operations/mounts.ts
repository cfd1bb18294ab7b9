import { SystemError } from '../../base/errors.js';
import { ANY_PATH, DIRECTORY_PATH, openBeneath, withFd } from '../handles.js';
import * as c from '../constants.js';
import * as libc from '../libc.js';
import type { MountFlag } from '../mount-flags.js';
import { absolutePath } from '../paths.js';
import { cachedStatusOf, statusOf } from '../stat.js';
import { sys } from '../sys.js';

const ATTRIBUTES: Readonly<Record<MountFlag, number>> = {
  ro: c.MOUNT_ATTR_RDONLY,
  nosuid: c.MOUNT_ATTR_NOSUID,
  nodev: c.MOUNT_ATTR_NODEV,
  noexec: c.MOUNT_ATTR_NOEXEC,
  noatime: c.MOUNT_ATTR_NOATIME,
  nodiratime: c.MOUNT_ATTR_NODIRATIME,
  relatime: c.MOUNT_ATTR_RELATIME,
};

/** Opens the last name of an absolute path without following it; what is mounted there is not asked anything. */
export function openTarget(target: string, wanted: 'directory' | 'file' = 'directory'): number {
  const path = absolutePath(target);
  const fd = libc.openat2(c.AT_FDCWD, path, { flags: ANY_PATH, resolve: c.RESOLVE_NO_MAGICLINKS }, path);
  try {
    const { type } = cachedStatusOf(fd, path);
    if (type === 'symlink') throw new SystemError('ELOOP', 'open', path);
    if (type !== wanted) throw new SystemError(wanted === 'file' ? 'EISDIR' : 'ENOTDIR', 'open', path);
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/**
 * Shows the directory `path` of a tree at the directory `target`. The mount gets its flags before it is attached, so
 * that it is never seen without them, and neither are the copies of it in other mount namespaces. It is made private
 * twice: before, so that it is no peer of the pool's own mount, and after, because attaching it below a shared
 * mount shares it again (Documentation/filesystems/sharedsubtree.rst, 5b).
 */
export function bind(root: number, path: string, target: string, flags: readonly MountFlag[]): void {
  withFd(openBeneath(root, path, DIRECTORY_PATH), (source) => {
    if (statusOf(source, path).dev !== statusOf(root, path).dev) throw new SystemError('EXDEV', 'bind', path);
    withFd(openTarget(target), (destination) => {
      withFd(libc.openTreeClone(source, path), (clone) => {
        const set = flags.reduce((bits, flag) => bits | ATTRIBUTES[flag], 0);
        const about = `${path} at ${target}`;
        sys.mountSetattr(clone, { set, clear: c.MOUNT_ATTR__ATIME, propagation: c.MS_PRIVATE }, about);
        sys.moveMount(clone, destination, about);
        sys.mountSetattr(clone, { set: 0, clear: 0, propagation: c.MS_PRIVATE }, about);
      });
    });
  });
}

/** umount2(2); false: `target` is no mount point, or not there. */
export function unmount(target: string, detach: boolean): boolean {
  try {
    sys.umount2(absolutePath(target), c.UMOUNT_NOFOLLOW | (detach ? c.MNT_DETACH : 0));
    return true;
  } catch (error) {
    if (error instanceof SystemError && (error.code === 'EINVAL' || error.code === 'ENOENT')) return false;
    throw error;
  }
}

/** Makes a directory below one that is there; false: it was there. ELOOP: a symlink is there; ENOTDIR: something else. */
export function prepareTarget(target: string, mode: number): boolean {
  const path = absolutePath(target);
  try {
    sys.mkdirat(c.AT_FDCWD, path, mode, path);
    return true;
  } catch (error) {
    if (!(error instanceof SystemError && error.code === 'EEXIST')) throw error;
  }
  withFd(openTarget(path), () => undefined);
  return false;
}

/** Removes an empty directory; false: it was not there. ENOTDIR: something else is there, also a symlink. */
export function removeTarget(target: string): boolean {
  const path = absolutePath(target);
  try {
    sys.unlinkat(c.AT_FDCWD, path, c.AT_REMOVEDIR, path);
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.code === 'ENOENT') return false;
    throw error;
  }
}
