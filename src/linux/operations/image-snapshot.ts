/*
 * A copy of an image as the filesystem in it is at one moment: the filesystem is frozen, and the file cloned meanwhile.
 */
import { SystemError } from '../../base/errors.js';
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, RESOLVE_NO_MAGICLINKS } from '../constants.js';
import { CREATE, openBeneath, READ, withFd, withParent } from '../handles.js';
import * as libc from '../libc.js';
import { absolutePath } from '../paths.js';
import { sys } from '../sys.js';

/** linux/fs.h: _IOWR('X', 119, int), _IOWR('X', 120, int) */
const FIFREEZE = 0xc0045877;
const FITHAW = 0xc0045878;

function withMount<T>(mountPoint: string, work: (fd: number, path: string) => T): T {
  const path = absolutePath(mountPoint);
  const how = { flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW, resolve: RESOLVE_NO_MAGICLINKS };
  return withFd(libc.openat2(AT_FDCWD, path, how, path), (fd) => work(fd, path));
}

/** Writes down what is not yet written of a mounted filesystem (syncfs(2)). */
export function syncMount(mountPoint: string): void {
  withMount(mountPoint, (fd, path) => {
    libc.syncfs(fd, path);
  });
}

/** Lets writers of a filesystem go on that a process froze and did not live to thaw; false: it was not frozen. */
export function thawMount(mountPoint: string): boolean {
  return withMount(mountPoint, (fd, path) => {
    try {
      sys.ioctlValue(fd, FITHAW, 0, path);
      return true;
    } catch (error) {
      if (error instanceof SystemError && error.code === 'EINVAL') return false;
      throw error;
    }
  });
}

/**
 * Makes `clone` share all blocks of `image` (FICLONE); what is there already is replaced.
 * @param mountPoint of the filesystem in the image, which is frozen meanwhile; undefined: it is not mounted
 * @returns how long writers had to wait, in ms
 * @throws SystemError EOPNOTSUPP, EINVAL where files cannot share blocks; EBUSY when somebody else froze the filesystem
 */
export function snapshotImage(root: number, image: string, clone: string, mountPoint: string | undefined): number {
  return withFd(openBeneath(root, image, READ), (from) =>
    withParent(root, clone, (parent, name) => {
      try {
        sys.unlinkat(parent, name, 0, clone);
      } catch (error) {
        if (!(error instanceof SystemError && error.code === 'ENOENT')) throw error;
      }
      return withFd(sys.create(parent, name, CREATE, clone), (to) => {
        if (mountPoint === undefined) {
          sys.cloneFile(to, from, clone);
          return 0;
        }
        return withMount(mountPoint, (fd, path) => {
          // What is written down before needs no time while all wait.
          libc.syncfs(fd, path);
          const started = performance.now();
          sys.ioctlValue(fd, FIFREEZE, 0, path);
          try {
            sys.cloneFile(to, from, clone);
          } finally {
            sys.ioctlValue(fd, FITHAW, 0, path);
          }
          return performance.now() - started;
        });
      });
    }),
  );
}
