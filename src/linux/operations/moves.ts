/*
 * Where a name is looked up when it is moved.
 *
 * A process may be stopped between any two system calls. Were the directory opened in one and the name moved in the
 * next, a move could succeed in a directory that has been renamed meanwhile, and a directory that others rename to fence
 * off a former holder of a lease would fence off nothing. So, below a directory that only root can enter, the kernel
 * looks the whole path up in the call that moves: nobody there can plant a symlink. Elsewhere somebody may, and
 * the parent's descriptor is used.
 */
import { SystemError } from '../../base/errors.js';
import { DIRECTORY_PATH, openBeneath, withFd, withParent } from '../handles.js';
import { components } from '../paths.js';
import { statusOf } from '../stat.js';
import { sys } from '../sys.js';

function isRootOnly(root: number, directory: string): boolean {
  return withFd(openBeneath(root, directory, DIRECTORY_PATH), (fd) => {
    const { uid, mode } = statusOf(fd, directory);
    return uid === 0 && (mode & 0o077) === 0;
  });
}

/** Runs `work` with a directory and the name by which it finds `path` from there, as said above. */
export function withPlace<T>(root: number, path: string, work: (directory: number, name: string) => T): T {
  const parts = components(path);
  const [first] = parts;
  if (first === undefined || parts.length === 1 || !isRootOnly(root, first)) return withParent(root, path, work);
  withParent(root, path, () => undefined);
  return work(root, parts.join('/'));
}

/** Removes a file that nothing depends on; what is left of it is replaced next time. */
export function unlinkQuietly(directory: number, name: string): void {
  try {
    sys.unlinkat(directory, name, 0, name);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
}
