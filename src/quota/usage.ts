import { isErrno } from '../base/errors.js';
import { maxBytes, minBytes } from '../base/units.js';
import { getQuota } from '../linux/project-quota.js';
import type { FsUsage, Tree } from '../linux/tree.js';
import { decodeSize, SIZE_XATTR } from './gluster-xattrs.js';
import type { LimitTarget } from './limit-target.js';
import type { MechanismName, VolumeUsage } from './mechanism.js';

export interface UsageOptions {
  /** A mount of the pool; of a directory pool the pool itself. */
  readonly tree: Tree;
  readonly target: LimitTarget;
  readonly mechanism: MechanismName;
  /** True when the tree is the filesystem that keeps the project quota, not GlusterFS in front of it. */
  readonly local: boolean;
  /** The volume's limit of inodes on record; 0 or absent: none. */
  readonly inodeLimit?: number | undefined;
  readonly deadlineMs?: number | undefined;
}

/** By statfs of the volume's directory, where every mechanism shows limit and usage of that directory. */
export function usageOfStatfs({ total, free, available }: FsUsage): VolumeUsage {
  return { total, used: maxBytes(total - free, 0n), available };
}

/** @param limit 0n: nothing limits the inodes of the volume, and what is left is what the pool has left */
function withInodes(usage: VolumeUsage, used: bigint, { filesFree }: FsUsage, limit: bigint): VolumeUsage {
  if (limit === 0n) return { ...usage, inodes: { total: used + filesFree, used, available: filesFree } };
  return { ...usage, inodes: { total: limit, used, available: minBytes(maxBytes(limit - used, 0n), filesFree) } };
}

/** Where project quota limits inodes statfs shows them of the directory, through GlusterFS too (xfs_qm_statvfs). */
function shownInodes(usage: VolumeUsage, { files, filesFree }: FsUsage, limit: bigint): VolumeUsage {
  if (limit === 0n || files !== limit) return usage;
  return { ...usage, inodes: { total: files, used: files - filesFree, available: filesFree } };
}

async function projectUsage(tree: Tree, projectId: number, fs: FsUsage): Promise<VolumeUsage> {
  const { hardBlocksBytes: total, usedBytes: used, inodes, hardInodes } = await getQuota(tree, projectId);
  if (total === 0n) return usageOfStatfs(fs);
  const available = minBytes(maxBytes(total - used, 0n), fs.available);
  return withInodes({ total, used, available }, inodes, fs, hardInodes);
}

/**
 * statfs shows the inodes of the bricks. features/marker also counts those of each directory, and says so to control
 * mounts only: the attribute is not there for others.
 */
async function glusterUsage(tree: Tree, path: string, fs: FsUsage, limit: bigint): Promise<VolumeUsage> {
  const usage = usageOfStatfs(fs);
  try {
    const counted = decodeSize(await tree.getXattr(path, SIZE_XATTR));
    return counted === undefined ? usage : withInodes(usage, counted.files + counted.directories, fs, limit);
  } catch (error) {
    if (isErrno(error, 'EPERM', 'EOPNOTSUPP', 'ENOTSUP')) return usage;
    throw error;
  }
}

/**
 * What a volume uses of its limit, and its inodes where the mechanism counts them: `gluster` tells them on a control
 * mount, `project` on a directory pool, through GlusterFS where they are limited; `simple` does not count them.
 * @returns undefined with `none`, where nothing counts a volume
 * @throws SystemError, and what IoWorkers.run throws
 */
export async function readUsage({
  tree,
  target,
  mechanism,
  local,
  inodeLimit = 0,
  deadlineMs,
}: UsageOptions): Promise<VolumeUsage | undefined> {
  if (mechanism === 'none') return undefined;
  const fs = await tree.statfs(target.path, deadlineMs === undefined ? undefined : { deadlineMs });
  if (mechanism === 'project' && local && target.projectId !== undefined) {
    return projectUsage(tree, target.projectId, fs);
  }
  const limit = BigInt(inodeLimit);
  if (mechanism === 'gluster') return glusterUsage(tree, target.path, fs, limit);
  return mechanism === 'project' ? shownInodes(usageOfStatfs(fs), fs, limit) : usageOfStatfs(fs);
}
