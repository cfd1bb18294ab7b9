import { posix } from 'node:path';
import { CLIENT_FS_TYPE } from '../gluster/client.js';
import type { MountEntry } from '../linux/mountinfo.js';

/** Where a pool's root lies, in the terms of mountinfo, so that binds of its directories can be recognised there. */
export interface MountLocation {
  /** Device number `major:minor` of the filesystem. */
  readonly dev: string;
  /** The pool's root inside that filesystem: what field 4 of mountinfo would show for a bind of it. */
  readonly root: string;
  /** The mount point that the pool's root lies on. */
  readonly target: string;
  readonly fsType: string;
  readonly source: string;
  /** Per-mount options, which a bind inherits. */
  readonly options: readonly string[];
}

/** True when `path` is `ancestor` or lies beneath it; both absolute and normalised. */
export function isBeneath(path: string, ancestor: string): boolean {
  return path === ancestor || ancestor === '/' || path.startsWith(`${ancestor}/`);
}

/**
 * The mount that an absolute, normalised path without symlinks lies on: the one with the longest matching mount point,
 * and of several stacked on that the last, which is the top one (proc_pid_mountinfo(5); order as in fs/namespace.c).
 */
export function locate(entries: readonly MountEntry[], path: string): MountLocation | undefined {
  let covering: MountEntry | undefined;
  for (const entry of entries) {
    if (!isBeneath(path, entry.target)) continue;
    if (covering === undefined || entry.target.length >= covering.target.length) covering = entry;
  }
  if (covering === undefined) return undefined;
  const { dev, target, fsType, source, options } = covering;
  return { dev, target, fsType, source, options, root: posix.join(covering.root, posix.relative(target, path)) };
}

/** What mountinfo shows as the root of a bind of `path`, which is relative to the pool's root ('.' = the root itself). */
export function rootOf(location: MountLocation, path: string): string {
  return posix.join(location.root, path);
}

/** True for a mount of the pool's root or of anything in it, other than the mount that the pool's root itself lies on. */
export function isBindOfPool(entry: MountEntry, location: MountLocation): boolean {
  return entry.dev === location.dev && entry.target !== location.target && isBeneath(entry.root, location.root);
}

/**
 * True for a mount that came from this pool's former FUSE client: same source, another superblock. When the pool has
 * one client on this machine that one is dead, and so is the mount.
 */
export function isOfFormerClient(entry: MountEntry, location: MountLocation): boolean {
  return (
    location.fsType.startsWith('fuse') &&
    entry.fsType === location.fsType &&
    entry.source === location.source &&
    entry.dev !== location.dev
  );
}

/**
 * True for what a client of GlusterFS mounted, and for binds of it. The device number of a client that is gone tells its
 * mounts from those of others only together with this: the kernel gives the number to the next filesystem that comes.
 */
export function isClientMount({ fsType }: MountEntry): boolean {
  return fsType === CLIENT_FS_TYPE;
}
