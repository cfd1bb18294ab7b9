/*
 * A thread's visit to another mount namespace. setns(2) with CLONE_NEWNS needs a thread that shares root and working
 * directory with no other; from then on its paths are those of the other namespace, until it is back.
 */
import { readlinkSync } from 'node:fs';
import { isErrno, messageOf, SystemError } from '../../base/errors.js';
import { AT_FDCWD, CLONE_FS, CLONE_NEWNS } from '../constants.js';
import { DIRECTORY_PATH, READ } from '../handles.js';
import * as libc from '../libc.js';

/** A mount namespace by processes that are in it. */
export interface NamespaceId {
  /** Not empty, the best one first. All but one may end at any moment, as what a shell script starts does. */
  readonly pids: readonly number[];
  /** As /proc/PID/ns/mnt reads, `mnt:[4026531841]`: by now a pid may be another one's. */
  readonly id: string;
}

/** This thread is in the wrong mount namespace for good. */
export class LostThreadError extends Error {
  override readonly name = 'LostThreadError';
}

/** What a thread needs while it is there. */
export interface Visit {
  /** What is `/` for that process. */
  readonly root: number;
  /**
   * A path of what a descriptor stands for. The namespace's own /proc may be that of other processes, or anything; so the
   * working directory is our /proc, and the path is relative to it.
   */
  pathOf(fd: number): string;
}

interface Ways {
  readonly ownRoot: number;
  readonly ownMounts: number;
  readonly proc: number;
  readonly root: number;
  readonly mounts: number;
}

type Opener = (path: string, flags: number) => number;

let unshared = false;

/** Undefined when the process has ended, or is another one by now. */
function openProcess(pid: number, id: string, open: Opener): Pick<Ways, 'root' | 'mounts'> | undefined {
  try {
    const found = { root: open(`/proc/${pid}/root`, DIRECTORY_PATH), mounts: open(`/proc/${pid}/ns/mnt`, READ) };
    // After they were opened, so that what was opened is of that process.
    return readlinkSync(`/proc/${pid}/ns/mnt`) === id ? found : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) return undefined;
    throw error;
  }
}

function openAny({ pids, id }: NamespaceId, open: Opener): Pick<Ways, 'root' | 'mounts'> {
  for (const pid of pids) {
    const found = openProcess(pid, id, open);
    if (found !== undefined) return found;
  }
  throw new SystemError('EAGAIN', 'setns', id);
}

function openWays(namespace: NamespaceId | undefined, open: Opener): Ways {
  const ownRoot = open('/', DIRECTORY_PATH);
  const ownMounts = open('/proc/thread-self/ns/mnt', READ);
  const proc = open('/proc', DIRECTORY_PATH);
  const there = namespace === undefined ? { root: ownRoot, mounts: ownMounts } : openAny(namespace, open);
  return { ownRoot, ownMounts, proc, ...there };
}

/** setns(2) goes to the namespace's root, which need not be this process's. */
function comeBack({ ownMounts, ownRoot }: Ways, wasAway: boolean): void {
  try {
    if (wasAway) libc.setns(ownMounts, CLONE_NEWNS, 'home');
    libc.fchdir(ownRoot, '/');
    if (wasAway) libc.chroot('.');
  } catch (error) {
    throw new LostThreadError(`this thread cannot leave a mount namespace: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Runs `work` in a mount namespace, in our own without one.
 * @throws SystemError EAGAIN when its processes are gone
 * @throws LostThreadError when the thread cannot come back
 */
export function visit<T>(namespace: NamespaceId | undefined, work: (visit: Visit) => T): T {
  if (!unshared) libc.unshare(CLONE_FS);
  unshared = true;
  const opened: number[] = [];
  const open: Opener = (path, flags) => {
    const fd = libc.openat2(AT_FDCWD, path, { flags, resolve: 0 }, path);
    opened.push(fd);
    return fd;
  };
  try {
    const ways = openWays(namespace, open);
    try {
      if (namespace !== undefined) libc.setns(ways.mounts, CLONE_NEWNS, namespace.id);
      libc.fchdir(ways.proc, '/proc');
      return work({ root: ways.root, pathOf: (fd) => `self/fd/${fd}` });
    } finally {
      comeBack(ways, namespace !== undefined);
    }
  } finally {
    for (const fd of opened) libc.close(fd);
  }
}
