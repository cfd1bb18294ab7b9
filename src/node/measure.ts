import { formatBytes, maxBytes, minBytes } from '../base/units.js';
import type { VolumeUsage } from '../gen/csi/v1/VolumeUsage.js';
import { getQuota } from '../linux/project-quota.js';
import type { FsUsage } from '../linux/tree.js';
import type { CountedUsage, UsageCounts } from './usage-counts.js';
import type { NodeVolume } from './volume.js';

/** What NodeGetVolumeStats says of a volume that answers. */
export interface Measured {
  readonly usage: readonly VolumeUsage[];
  /** What is wrong in spite of its answering. */
  readonly problem?: string | undefined;
  /** Whatever else there is to say. */
  readonly remark?: string | undefined;
}

const STATFS_DEADLINE_MS = 5_000;
const FIRST_COUNT_PATIENCE_MS = 2_000;
/** How far what statfs says may exceed the limit on record: rounding up to blocks, in parts of the limit and absolutely. */
const TOLERANCE_PARTS = 50n;
const TOLERANCE_BYTES = 1n << 20n;

interface Amount {
  readonly total: bigint;
  readonly used: bigint;
  readonly available: bigint;
}

function amount(unit: 'BYTES' | 'INODES', { total, used, available }: Amount): VolumeUsage {
  // Negative values are forbidden (csi.proto, VolumeUsage), and a volume can be over its limit.
  return { unit, total: String(total), used: String(used), available: String(maxBytes(available, 0n)) };
}

/** By statfs of the directory: Gluster's quota and the project quota of a filesystem show the volume's limit there. */
function measuredByFilesystem(fs: FsUsage): Measured {
  const { total, free, available } = fs;
  return { usage: [amount('BYTES', { total, used: maxBytes(total - free, 0n), available })] };
}

/** A limit that the pool does not show is not kept either: quota off, a wrong mount option, or not counted yet. */
function limitProblem(volume: NodeVolume, total: bigint): string | undefined {
  const { record } = volume;
  if (record?.state !== 'ready') return undefined;
  const limit = record.limitBytes;
  if (total <= limit + maxBytes(limit / TOLERANCE_PARTS, TOLERANCE_BYTES)) return undefined;
  return (
    `the limit of ${formatBytes(limit)} is not in force: the pool shows ${formatBytes(total)} for this volume; see ` +
    '"kayal doctor"'
  );
}

async function measureProject(volume: NodeVolume, projectId: number, fs: FsUsage): Promise<Measured> {
  const { hardBlocksBytes: total, usedBytes: used, inodes } = await getQuota(volume.attachment.tree, projectId);
  if (total === 0n) return { ...measuredByFilesystem(fs), problem: limitProblem(volume, fs.total) };
  const available = minBytes(total - used, fs.available);
  const files = { total: inodes + fs.filesFree, used: inodes, available: fs.filesFree };
  return {
    usage: [amount('BYTES', { total, used, available }), amount('INODES', files)],
    problem: limitProblem(volume, total),
  };
}

function describeAge(count: CountedUsage): string {
  const seconds = Math.max(0, Math.round((Date.now() - count.countedAt) / 1_000));
  return `used space was counted ${seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`} ago`;
}

/** Nothing counts such a volume all the time; its limit, when it has one, is a promise that nobody enforces. */
async function measureByCounting(volume: NodeVolume, fs: FsUsage, counts: UsageCounts): Promise<Measured> {
  const { attachment, handle, path, record } = volume;
  const { tree, pool } = attachment;
  const count = await counts.get({ pool: pool.name, handle, tree, path }, FIRST_COUNT_PATIENCE_MS);
  const total = record?.limitBytes ?? fs.total;
  if (count === undefined) {
    const remark = 'used space is being counted for the first time';
    return { usage: [amount('BYTES', { total, used: 0n, available: minBytes(total, fs.available) })], remark };
  }
  const { bytes: used, inodes } = count;
  return {
    usage: [
      amount('BYTES', { total, used, available: minBytes(total - used, fs.available) }),
      amount('INODES', { total: inodes + fs.filesFree, used: inodes, available: fs.filesFree }),
    ],
    remark: describeAge(count),
  };
}

/**
 * The bytes of a volume, and its inodes where something counts them.
 * @throws SystemError or KayalError when the pool does not answer; it never waits longer than 5 s for one answer
 */
export async function measure(volume: NodeVolume, counts: UsageCounts): Promise<Measured> {
  const { attachment, path, record } = volume;
  const fs = await attachment.tree.statfs(path, { deadlineMs: STATFS_DEADLINE_MS });
  if (path === '.') return measuredByFilesystem(fs);
  if (record === undefined || record.quota.mechanism === 'none') return measureByCounting(volume, fs, counts);
  const { mechanism, projectId } = record.quota;
  if (mechanism === 'project' && projectId !== undefined && attachment.pool.type === 'directory') {
    return measureProject(volume, projectId, fs);
  }
  return { ...measuredByFilesystem(fs), problem: limitProblem(volume, fs.total) };
}
