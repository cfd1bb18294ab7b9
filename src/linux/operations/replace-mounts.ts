import { SystemError } from '../../base/errors.js';
import * as c from '../constants.js';
import { ANY_PATH, openBeneath, withFd } from '../handles.js';
import * as libc from '../libc.js';
import { absolutePath } from '../paths.js';
import { cachedStatusOf, mountIdOf, statusOf } from '../stat.js';
import { sys } from '../sys.js';
import { LostThreadError, visit, type NamespaceId, type Visit } from './namespace.js';

export type { NamespaceId } from './namespace.js';

/** Options of a mount as mountinfo shows them, and whether it is shared. */
export interface MountLooks {
  readonly options: readonly string[];
  readonly shared: boolean;
}

/** A path of the tree, or one of a mount namespace (ours without one) that must be on the device. */
export type NestedSource =
  | { readonly path: string }
  | { readonly namespace: NamespaceId | undefined; readonly absolute: string; readonly dev: string };

/** A mount that goes with the one it is nested in, and is put back. */
export interface NestedMount extends MountLooks {
  readonly target: string;
  /** Index in `nested` of the mount that it is in; undefined: the replaced one. */
  readonly parent: number | undefined;
  /** Its place in that mount. */
  readonly place: string;
  readonly source: NestedSource;
}

export interface Replacement extends MountLooks {
  /** In mountinfo: nothing but this mount is ever taken away. */
  readonly id: number;
  readonly target: string;
  /** Mounts below it at the same place, from the top down, that go with it: left by a replacement that was cut off. */
  readonly below?: readonly number[] | undefined;
  /** What is shown there instead, relative to the tree's root. */
  readonly path: string;
  /** Those in others behind them. */
  readonly nested: readonly NestedMount[];
}

/** `gone`: the mount was not there any more, nothing was done. `code`: errno of what kept it from being replaced. */
export interface Replaced {
  readonly target: string;
  readonly outcome: 'swapped' | 'remounted' | 'gone' | 'failed';
  readonly problem?: { readonly code: string; readonly call: string } | undefined;
  /** Nested mounts that are not back. */
  readonly lost: readonly { readonly target: string; readonly code: string }[];
}

const ATTRIBUTES: Readonly<Record<string, number>> = {
  ro: c.MOUNT_ATTR_RDONLY,
  nosuid: c.MOUNT_ATTR_NOSUID,
  nodev: c.MOUNT_ATTR_NODEV,
  noexec: c.MOUNT_ATTR_NOEXEC,
  noatime: c.MOUNT_ATTR_NOATIME,
  nodiratime: c.MOUNT_ATTR_NODIRATIME,
  nosymfollow: c.MOUNT_ATTR_NOSYMFOLLOW,
};
const ALL_ATTRIBUTES = Object.values(ATTRIBUTES).reduce((all, bit) => all | bit, c.MOUNT_ATTR__ATIME);

function attributesOf({ options, shared }: MountLooks): libc.MountAttributes {
  const set = options.reduce((bits, option) => bits | (ATTRIBUTES[option] ?? 0), 0);
  // What mountinfo shows without noatime and relatime is strictatime.
  const strict = options.includes('noatime') || options.includes('relatime') ? 0 : c.MOUNT_ATTR_STRICTATIME;
  return {
    set: set | strict,
    clear: ALL_ATTRIBUTES & ~set,
    propagation: shared ? c.MS_SHARED : c.MS_PRIVATE,
  };
}

function codeOf(error: unknown): { readonly code: string; readonly call: string } {
  if (error instanceof SystemError) return { code: error.code, call: error.call };
  throw error;
}

/** A detached mount, ready to be attached: never seen without its options, and no peer of what it was made from. */
function cloneOf(fd: number, looks: MountLooks, about: string): number {
  const { type } = statusOf(fd, about);
  if (type !== 'directory' && type !== 'file') throw new SystemError('ELOOP', 'open_tree', about);
  const clone = libc.openTreeClone(fd, about);
  try {
    sys.mountSetattr(clone, attributesOf(looks), about);
    return clone;
  } catch (error) {
    libc.close(clone);
    throw error;
  }
}

function cloneSource(root: number, source: NestedSource, looks: MountLooks): number {
  if ('path' in source) {
    return withFd(openBeneath(root, source.path, ANY_PATH), (fd) => cloneOf(fd, looks, source.path));
  }
  const { namespace, absolute, dev } = source;
  return visit(namespace, (there) =>
    withFd(openTarget(there, absolute), (fd) => {
      if (cachedStatusOf(fd, absolute).dev !== dev) throw new SystemError('EXDEV', 'open_tree', absolute);
      return cloneOf(fd, looks, absolute);
    }),
  );
}

/** The top mount's root at an absolute path as that process sees it; mountinfo shows paths without symlinks. */
function openTarget({ root }: Visit, target: string): number {
  const relative = absolutePath(target).slice(1);
  const resolve = c.RESOLVE_IN_ROOT | c.RESOLVE_NO_SYMLINKS | c.RESOLVE_NO_MAGICLINKS;
  return libc.openat2(root, relative, { flags: ANY_PATH, resolve }, target);
}

/** Attaching a mount below a shared one shares it. */
function settle(clone: number, looks: MountLooks, about: string): void {
  if (!looks.shared) sys.mountSetattr(clone, { set: 0, clear: 0, propagation: c.MS_PRIVATE }, about);
}

interface Prepared {
  readonly replacement: Replacement;
  readonly clone: number;
  /** Descriptor of each nested mount's clone, or why there is none. */
  readonly nested: readonly (number | string)[];
}

function prepare(root: number, replacement: Replacement): Prepared {
  const { path } = replacement;
  const clone = withFd(openBeneath(root, path, ANY_PATH), (fd) => cloneOf(fd, replacement, path));
  const nested = replacement.nested.map((mount) => {
    try {
      return cloneSource(root, mount.source, mount);
    } catch (error) {
      if (error instanceof LostThreadError) throw error;
      return codeOf(error).code;
    }
  });
  return { replacement, clone, nested };
}

function close({ clone, nested }: Prepared): void {
  libc.close(clone);
  for (const fd of nested) if (typeof fd === 'number') libc.close(fd);
}

/** Puts the nested mounts into the new one, which need not be seen yet: its descriptor is way enough. */
function attachNested({ replacement, clone, nested }: Prepared): Replaced['lost'] {
  const attached: (number | undefined)[] = [];
  return replacement.nested.flatMap((mount, index) => {
    const { target, parent, place } = mount;
    try {
      const own = nested[index];
      if (typeof own !== 'number') throw new SystemError(own ?? 'ENOENT', 'open_tree', target);
      const below = parent === undefined ? clone : attached[parent];
      if (below === undefined) throw new SystemError('ENOENT', 'move_mount', target);
      withFd(openBeneath(below, place, ANY_PATH), (at) => {
        sys.moveMount(own, at, target);
      });
      settle(own, mount, target);
      attached[index] = own;
      return [];
    } catch (error) {
      return [{ target, code: codeOf(error).code }];
    }
  });
}

/** Puts the new mount below the old one; false where the kernel refuses that (before 6.5, or some kinds of propagation). */
function tuck(old: number, { clone, replacement }: Prepared): boolean {
  try {
    sys.moveMountBeneath(clone, old, replacement.target);
    return true;
  } catch (error) {
    if (codeOf(error).code !== 'EINVAL') throw error;
    return false;
  }
}

/**
 * Takes the old mount away once the new one is below it with all that belongs in it: whoever looks sees one or the other.
 * The new one is its parent then, and stays shared (where it is) until the old ones are gone from the namespaces that
 * follow this one, too: umount(2) propagates from the parent.
 */
function uncover(there: Visit, old: number, prepared: Prepared): Replaced {
  const { replacement, clone } = prepared;
  const { target } = replacement;
  const lost = attachNested(prepared);
  sys.umount2(there.pathOf(old), c.MNT_DETACH);
  settle(clone, replacement, target);
  return { target, outcome: 'swapped', lost };
}

/** Where it cannot be done at once: for a moment nothing is mounted there. */
function remount(there: Visit, old: number, prepared: Prepared): Replaced {
  const { replacement, clone } = prepared;
  const { target } = replacement;
  sys.umount2(there.pathOf(old), c.MNT_DETACH);
  withFd(openTarget(there, target), (at) => {
    sys.moveMount(clone, at, target);
  });
  settle(clone, replacement, target);
  return { target, outcome: 'remounted', lost: attachNested(prepared) };
}

function replaceOne(there: Visit, prepared: Prepared, atomic: boolean): Replaced {
  const { id, target, below = [] } = prepared.replacement;
  const ids = [id, ...below];
  try {
    // The lowest of them is replaced, so that none is left below the new one, where nothing could take it away.
    for (const upper of ids.slice(0, -1)) {
      const isThere = withFd(openTarget(there, target), (old) => {
        if (mountIdOf(old, target) !== upper) return false;
        sys.umount2(there.pathOf(old), c.MNT_DETACH);
        return true;
      });
      if (!isThere) return { target, outcome: 'gone', lost: [] };
    }
    return withFd(openTarget(there, target), (old) => {
      if (mountIdOf(old, target) !== ids.at(-1)) return { target, outcome: 'gone', lost: [] };
      return atomic && tuck(old, prepared) ? uncover(there, old, prepared) : remount(there, old, prepared);
    });
  } catch (error) {
    const problem = codeOf(error);
    if (problem.call === 'openat2' && ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(problem.code)) {
      return { target, outcome: 'gone', lost: [] };
    }
    return { target, outcome: 'failed', problem, lost: [] };
  }
}

/**
 * Shows directories (or files) of the tree where other mounts are, in the mount namespace of a process (ours without one).
 * Each mount is told by its id, so that what others mount or unmount there meanwhile is left alone.
 * @param atomic for Linux 6.5 and newer
 * @throws SystemError EAGAIN when that process is gone
 */
export function replaceMounts(
  root: number,
  namespace: NamespaceId | undefined,
  replacements: readonly Replacement[],
  atomic: boolean,
): Replaced[] {
  const prepared: Prepared[] = [];
  const results: Replaced[] = [];
  try {
    for (const replacement of replacements) {
      try {
        prepared.push(prepare(root, replacement));
      } catch (error) {
        if (error instanceof LostThreadError) throw error;
        results.push({ target: replacement.target, outcome: 'failed', problem: codeOf(error), lost: [] });
      }
    }
    if (prepared.length === 0) return results;
    visit(namespace, (there) => {
      for (const one of prepared) results.push(replaceOne(there, one, atomic));
    });
    return results;
  } finally {
    for (const one of prepared) close(one);
  }
}
