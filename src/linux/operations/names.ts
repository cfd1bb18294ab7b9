import { SystemError } from '../../base/errors.js';
import { DIRECTORY, DIRECTORY_PATH, openBeneath, unlessAbsent, withFd, withParent } from '../handles.js';
import { AT_REMOVEDIR } from '../constants.js';
import { components, splitPath } from '../paths.js';
import { statusOf } from '../stat.js';
import { sys } from '../sys.js';
import { setOwnerAndMode, type OwnerAndMode } from './attributes.js';
import { withPlace } from './moves.js';
import { stat } from './roots.js';

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof SystemError && codes.includes(error.code);
}

/** mkdir(2) with exactly this mode, whatever the umask; false: the name is taken, by anything. */
export function mkdir(root: number, path: string, mode: number): boolean {
  try {
    withParent(root, path, (parent, name) => {
      sys.mkdirat(parent, name, mode, path);
    });
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
  // To open a directory itself costs a FUSE client two requests; a look at it mostly none.
  const isExact = withFd(openBeneath(root, path, DIRECTORY_PATH), (fd) => statusOf(fd, path).mode === mode);
  if (!isExact) {
    withFd(openBeneath(root, path, DIRECTORY), (fd) => {
      sys.fchmod(fd, mode, path);
    });
  }
  return true;
}

/**
 * mkdir(2) with this owner and mode; false: the name is taken, by anything, and nothing changed.
 * @param parentMode makes those above it that are missing, too
 */
export function makeDirectory(root: number, path: string, owner: OwnerAndMode, parentMode?: number): boolean {
  const make = (): void => {
    withParent(root, path, (parent, name) => {
      // Until it is its owner's it is nobody's.
      sys.mkdirat(parent, name, 0o700, path);
    });
  };
  try {
    try {
      make();
    } catch (error) {
      if (parentMode === undefined || !isCode(error, 'ENOENT')) throw error;
      mkdirs(root, splitPath(path).parent, parentMode);
      make();
    }
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
  setOwnerAndMode(root, path, owner);
  return true;
}

/** Makes a directory and those above it that are missing; the paths of those that it made, outermost first. */
export function mkdirs(root: number, path: string, mode: number): string[] {
  const parts = components(path);
  const made: string[] = [];
  for (let depth = 1; depth <= parts.length; depth++) {
    const directory = parts.slice(0, depth).join('/');
    if (mkdir(root, directory, mode)) made.push(directory);
  }
  // Says ENOTDIR or ELOOP when the last name is something else.
  withFd(openBeneath(root, path, DIRECTORY_PATH), () => undefined);
  return made;
}

/** rename(2), which replaces a file or an empty directory at `to`; false: there is no `from`. */
export function rename(root: number, from: string, to: string): boolean {
  try {
    withPlace(root, from, (fromDirectory, fromName) => {
      withPlace(root, to, (toDirectory, toName) => {
        sys.renameat(fromDirectory, fromName, toDirectory, toName, `${from} to ${to}`);
      });
    });
    return true;
  } catch (error) {
    // Both names can be the reason for these: without `from` there is nothing to do, all else is an error.
    if (isCode(error, 'ENOENT', 'ENOTDIR') && stat(root, from) === undefined) return false;
    throw error;
  }
}

/** False: nothing there. */
export function unlink(root: number, path: string): boolean {
  const removed = unlessAbsent(() => {
    withParent(root, path, (parent, name) => {
      sys.unlinkat(parent, name, 0, path);
    });
    return true;
  });
  return removed ?? false;
}

/** Removes an empty directory; ENOTDIR when `path` is something else. */
export function rmdir(root: number, path: string): 'removed' | 'absent' | 'not-empty' {
  try {
    withParent(root, path, (parent, name) => {
      sys.unlinkat(parent, name, AT_REMOVEDIR, path);
    });
    return 'removed';
  } catch (error) {
    if (isCode(error, 'ENOENT')) return 'absent';
    if (isCode(error, 'ENOTEMPTY', 'EEXIST')) return 'not-empty';
    throw error;
  }
}
