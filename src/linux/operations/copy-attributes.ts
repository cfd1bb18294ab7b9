import { SystemError } from '../../base/errors.js';
import type { About } from '../ffi.js';
import { magicPath } from '../handles.js';
import * as libc from '../libc.js';
import { statusOf, type FullStatus } from '../stat.js';
import { sys } from '../sys.js';

/**
 * What a user can set: `user.*`, POSIX ACLs (acl(5)) and file capabilities. Everything else is the filesystem's own; above
 * all `trusted.*`, where GlusterFS keeps gfids, layouts, pending changes and quota.
 */
function isCopied(name: string): boolean {
  return (
    name.startsWith('user.') ||
    name === 'system.posix_acl_access' ||
    name === 'system.posix_acl_default' ||
    name === 'security.capability'
  );
}

/** Runs a read of unknown size into a buffer that is large enough; undefined where the filesystem has no xattrs, or no such. */
function readSized(read: (buffer: Uint8Array) => number): Uint8Array | undefined {
  for (let size = 1024; ;) {
    try {
      const buffer = new Uint8Array(size);
      return buffer.slice(0, read(buffer));
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      if (error.code === 'EOPNOTSUPP' || error.code === 'ENODATA') return undefined;
      if (error.code !== 'ERANGE') throw error;
      size = Math.max(size * 2, read(new Uint8Array(0)));
    }
  }
}

/** @returns the number of attributes that the target's filesystem refuses to hold */
function copyXattrs(source: string, target: string, about: About): number {
  const list = readSized((buffer) => libc.listxattr(source, buffer, about));
  if (list === undefined || list.length === 0) return 0;
  let lost = 0;
  for (const name of Buffer.from(list).toString('utf8').split('\0')) {
    if (!isCopied(name)) continue;
    const value = readSized((buffer) => libc.getxattr(source, name, buffer, about));
    if (value === undefined) continue;
    try {
      sys.setxattr(target, name, value, about);
    } catch (error) {
      if (!(error instanceof SystemError && error.code === 'EOPNOTSUPP')) throw error;
      lost++;
    }
  }
  return lost;
}

/** Two timespecs, as utimensat(2) takes them. */
export function timesOf({ atime, mtime }: Pick<FullStatus, 'atime' | 'mtime'>): Uint8Array {
  const bytes = Buffer.alloc(32);
  for (const [index, time] of [atime, mtime].entries()) {
    const nanoseconds = ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    bytes.writeBigInt64LE((time - nanoseconds) / 1_000_000_000n, index * 16);
    bytes.writeBigInt64LE(nanoseconds, index * 16 + 8);
  }
  return bytes;
}

/**
 * Gives an open file or directory the owner, xattrs, permissions and times of another. In this order: chown(2) clears
 * set-user-ID bits and capabilities, and everything changes times. Through a replicated GlusterFS each call is a
 * transaction on all bricks: what is right already is not set.
 * @returns the number of xattrs that the target's filesystem refuses to hold
 */
export function copyAttributes(source: number, target: number, status: FullStatus, about: About): number {
  const before = statusOf(target, about);
  if (before.uid !== status.uid || before.gid !== status.gid) sys.fchown(target, status.uid, status.gid, about);
  const lost = copyXattrs(magicPath(source), magicPath(target), about);
  if (statusOf(target, about).mode !== status.mode) sys.fchmod(target, status.mode, about);
  sys.futimens(target, timesOf(status), about);
  return lost;
}
