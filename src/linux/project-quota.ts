/*
 * Limits by project id on XFS and ext4 (xfs_quota(8), "project quota"). For trees on the filesystem itself: a
 * pool's directory, or a brick; through a FUSE mount none of it works.
 */
import { isErrno } from '../base/errors.js';
import type { LimitInForce, ProjectQuota } from './operations/projects.js';
import type { WalkPosition } from './operations/walk.js';
import { LISTING } from './io-workers.js';
import type { Tree } from './tree.js';

export type { LimitInForce, ProjectQuota } from './operations/projects.js';

export type Support =
  | {
      readonly ok: true;
      /**
       * False on ext4: there a process with CAP_SYS_RESOURCE writes past every limit (fs/quota/dquot.c,
       * ignore_hardlimit()), and root's processes have it unless it was taken from them. XFS limits everybody.
       */
      readonly limitsRoot: boolean;
    }
  | { readonly ok: false; readonly reason: string };

const XFS = 0x58465342;
const EXT4 = 0xef53;
const SLICE = { entries: 4096 };

/** Whether the filesystem of the tree keeps project limits now; else the reason, and what to do. */
export async function supported(tree: Tree): Promise<Support> {
  if (tree.fsType !== XFS && tree.fsType !== EXT4) {
    return {
      ok: false,
      reason: `project quota needs XFS or ext4; ${tree.root} has type 0x${tree.fsType.toString(16)}`,
    };
  }
  const advice =
    tree.fsType === XFS
      ? 'mount it with -o prjquota (XFS cannot change that by a remount)'
      : 'enable it with tune2fs -O project,quota -Q prjquota while unmounted, and mount it with -o prjquota';
  try {
    const { accounting, enforced } = await tree.call('projectQuotaState', []);
    if (accounting && enforced) return { ok: true, limitsRoot: tree.fsType === XFS };
    const what = accounting ? 'counts usage but keeps no limits' : 'is off';
    return { ok: false, reason: `project quota of the filesystem of ${tree.root} ${what}: ${advice}` };
  } catch (error) {
    if (!isErrno(error, 'ENOSYS', 'EINVAL', 'ESRCH', 'EOPNOTSUPP', 'EPERM')) throw error;
    const reason = `the filesystem of ${tree.root} has no project quota (${error.message}): ${advice}, on Linux 5.14 or newer with CONFIG_QUOTA and CONFIG_XFS_QUOTA`;
    return { ok: false, reason };
  }
}

/**
 * Limits a directory in bytes, which the filesystem rounds up to its blocks, mostly 4096. It becomes the project `id`, if it
 * is not that one already; what is made in it later inherits that.
 * @throws SystemError ENOTEMPTY when the directory has entries and is not in the project
 */
export async function limitDirectory(tree: Tree, path: string, id: number, bytes: bigint): Promise<LimitInForce> {
  return tree.call('limitDirectory', [path, id, bytes]);
}

/** Puts a directory and what is in it into a project, in slices; what is made in it later inherits that. */
export async function assignProject(tree: Tree, path: string, id: number): Promise<void> {
  let position: WalkPosition = [{ path: Buffer.from(path).toString('latin1') }];
  while (position.length > 0) position = await tree.call('assignProject', [position, id, SLICE], LISTING);
}

/** The project id of a directory; 0: none. */
export async function getProject(tree: Tree, path: string): Promise<number> {
  const { id } = await tree.call('getProject', [path]);
  return id;
}

/** Sets the limit of a project in bytes; the filesystem rounds it up to its blocks, mostly 4096. 0 takes it away. */
export async function setLimit(tree: Tree, id: number, bytes: bigint): Promise<void> {
  await tree.call('setProjectLimit', [id, bytes]);
}

/** Sets the limit of a project in inodes, its root included. 0 takes it away. */
export async function setInodeLimit(tree: Tree, id: number, inodes: bigint): Promise<void> {
  await tree.call('setProjectInodeLimit', [id, inodes]);
}

/** Limit (0: none) and usage of a project; all 0 when the filesystem has never heard of it. */
export async function getQuota(tree: Tree, id: number): Promise<ProjectQuota> {
  return tree.call('getProjectQuota', [id]);
}
