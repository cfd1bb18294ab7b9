/*
 * Cloning a file on each brick of a pool by itself. GlusterFS' cluster translators pass copy_file_range to their first brick
 * alone, so each brick is asked over a connection of its own; and replication, which knows nothing of it, would never notice
 * copies that differ, because a write came to one brick before its clone and to another after it.
 *
 * Such a write is noticed here. Replication sets `trusted.afr.dirty` on all bricks before it sends a write to any, and clears
 * it (or says which brick is behind, `trusted.afr.<client>`) after all have answered, when each has already put the new times
 * into `trusted.glusterfs.mdata`. So of a write that came between the clones either the mark is still there afterwards, or
 * the times have changed; the mark has to be read first.
 */
import { SystemError } from '../../base/errors.js';
import { AT_FDCWD, O_NOFOLLOW, O_RDONLY, O_RDWR } from '../constants.js';
import type { About } from '../ffi.js';
import * as gfapi from '../gfapi.js';
import { withFd } from '../handles.js';
import * as libc from '../libc.js';
import { sys } from '../sys.js';

/** A brick on this machine. */
export interface BrickLink {
  /** Of the connection to it. */
  readonly address: bigint;
  /** Its directory. */
  readonly path: string;
}

/** A file and its copy to be. */
export interface Gfids {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** The two on one brick, open. */
export interface Replica {
  readonly from: bigint;
  readonly to: bigint;
  readonly brick: string;
}

/** What a file was when its copy began: the same on every brick. */
export interface Version {
  readonly size: number;
  /** Its times, as every brick has them. */
  readonly times: string;
}

/** Runs `work` with a file and its copy open on every brick. @throws BrickError */
export function withReplicas<T>(
  bricks: readonly BrickLink[],
  gfids: Gfids,
  about: About,
  work: (replicas: readonly Replica[]) => T,
): T {
  const open: bigint[] = [];
  const openOn = (address: bigint, gfid: Uint8Array, flags: number): bigint => {
    const file = gfapi.openById(address, gfid, flags, about);
    open.push(file);
    return file;
  };
  try {
    const replicas = bricks.map(({ address, path }) => ({
      from: openOn(address, gfids.from, O_RDONLY),
      to: openOn(address, gfids.to, O_RDWR),
      brick: path,
    }));
    return work(replicas);
  } finally {
    for (const file of open) gfapi.close(file);
  }
}

/** True when replication has nothing under way on the file, and nothing to heal. */
function isAtRest(file: bigint, about: About): boolean {
  return gfapi
    .listXattrs(file, about)
    .filter((name) => name.startsWith('trusted.afr.'))
    .every((name) => gfapi.getXattr(file, name, about)?.every((byte) => byte === 0) ?? true);
}

/** Undefined: it is being written to, or has to be healed, or has times that bricks do not have in common. */
function versionAtRest(file: bigint, about: About): Version | undefined {
  if (!isAtRest(file, about)) return undefined;
  const times = gfapi.getXattr(file, 'trusted.glusterfs.mdata', about);
  return times === undefined ? undefined : { size: gfapi.sizeOf(file, about), times: times.toString('hex') };
}

function isSame(one: Version | undefined, other: Version): boolean {
  return one?.size === other.size && one.times === other.times;
}

/** What the file is on all bricks before its copy begins, which has to be empty; undefined: not now. */
export function beginSharing(replicas: readonly Replica[], about: About): Version | undefined {
  const [first, ...others] = replicas.map(({ from }) => versionAtRest(from, about));
  if (first === undefined || !others.every((other) => isSame(other, first))) return undefined;
  const areEmpty = replicas.every(({ to }) => isAtRest(to, about) && gfapi.sizeOf(to, about) === 0);
  return areEmpty ? first : undefined;
}

/** Where a brick has a file by its gfid (posix-handle.c). */
function handleOf(brick: string, gfid: Uint8Array): string {
  const hex = Buffer.from(gfid).toString('hex');
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  return `${brick}/.glusterfs/${hex.slice(0, 2)}/${hex.slice(2, 4)}/${uuid}`;
}

/** FICLONE on the brick's filesystem, behind the back of its process, which keeps nothing of a file's content. */
function cloneOnDisk(brick: string, gfids: Gfids): void {
  const open = (gfid: Uint8Array, flags: number): number => {
    const path = handleOf(brick, gfid);
    return libc.openat2(AT_FDCWD, path, { flags: flags | O_NOFOLLOW, resolve: 0 }, path);
  };
  try {
    withFd(open(gfids.from, O_RDONLY), (from) => {
      withFd(open(gfids.to, O_RDWR), (to) => {
        sys.cloneFile(to, from, brick);
      });
    });
  } catch (error) {
    if (error instanceof SystemError) throw new gfapi.BrickError(error.code, error.call, error.path);
    throw error;
  }
}

/**
 * Shares all blocks, brick by brick: through libgfapi what fits into one of its calls, else on the brick's own filesystem.
 * @returns false when the file has become shorter
 * @throws BrickError
 */
export function shareAll(replicas: readonly Replica[], gfids: Gfids, { size }: Version, about: About): boolean {
  return replicas.every(({ from, to, brick }) => {
    if (size <= gfapi.MAX_COPY) return sys.copyOnBrick(from, to, size, about) === size;
    cloneOnDisk(brick, gfids);
    return true;
  });
}

/** True when the file has been at rest since its copy began, so that the copies of all bricks are the same. */
export function isShared(replicas: readonly Replica[], begun: Version, about: About): boolean {
  return replicas.every(
    ({ from, to }) =>
      isSame(versionAtRest(from, about), begun) && isAtRest(to, about) && gfapi.sizeOf(to, about) === begun.size,
  );
}
