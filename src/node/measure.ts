import { formatBytes, maxBytes, minBytes } from '../base/units.js';
import type { VolumeUsage } from '../gen/csi/v1/VolumeUsage.js';
import type { VolumeUsage as Usage } from '../quota/mechanism.js';
import { readUsage, usageOfStatfs } from '../quota/usage.js';
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

const DEADLINE_MS = 5_000;
const WHOLE_POOL = '.';
const FIRST_COUNT_PATIENCE_MS = 2_000;
/** How far what statfs says may exceed the limit on record: rounding up to blocks, in parts of the limit and absolutely. */
const TOLERANCE_PARTS = 50n;
const TOLERANCE_BYTES = 1n << 20n;

function amount(unit: 'BYTES' | 'INODES', { total, used, available }: Omit<Usage, 'inodes'>): VolumeUsage {
  // Negative values are forbidden (csi.proto, VolumeUsage), and a volume can be over its limit.
  return { unit, total: String(total), used: String(used), available: String(maxBytes(available, 0n)) };
}

function amounts(usage: Usage): VolumeUsage[] {
  const bytes = amount('BYTES', usage);
  return usage.inodes === undefined ? [bytes] : [bytes, amount('INODES', usage.inodes)];
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

function describeAge(count: CountedUsage): string {
  const seconds = Math.max(0, Math.round((Date.now() - count.countedAt) / 1_000));
  return `used space was counted ${seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`} ago`;
}

/** Nothing counts such a volume all the time; its limit, when it has one, is a promise that nobody enforces. */
async function measureByCounting(volume: NodeVolume, counts: UsageCounts): Promise<Measured> {
  const { attachment, handle, path, record } = volume;
  const { tree, pool } = attachment;
  const fs = await tree.statfs(path, { deadlineMs: DEADLINE_MS });
  if (path === WHOLE_POOL) return { usage: amounts(usageOfStatfs(fs)) };
  const count = await counts.get({ pool: pool.name, handle, tree, path }, FIRST_COUNT_PATIENCE_MS);
  const total = record?.limitBytes ?? fs.total;
  if (count === undefined) {
    const remark = 'used space is being counted for the first time';
    return { usage: amounts({ total, used: 0n, available: minBytes(total, fs.available) }), remark };
  }
  const { bytes: used, inodes } = count;
  return {
    usage: amounts({
      total,
      used,
      available: minBytes(total - used, fs.available),
      inodes: { total: inodes + fs.filesFree, used: inodes, available: fs.filesFree },
    }),
    remark: describeAge(count),
  };
}

/**
 * The bytes of a volume, and its inodes where something counts them.
 * @throws SystemError or KayalError when the pool does not answer; it waits 5 s for one answer
 */
export async function measure(volume: NodeVolume, counts: UsageCounts): Promise<Measured> {
  const { attachment, path, record } = volume;
  const usage =
    record === undefined
      ? undefined
      : await readUsage({
          tree: attachment.tree,
          target: { path, projectId: record.quota.projectId },
          mechanism: record.quota.mechanism,
          local: attachment.pool.type === 'directory',
          inodeLimit: record.inodeLimit,
          deadlineMs: DEADLINE_MS,
        });
  if (usage === undefined) return measureByCounting(volume, counts);
  return { usage: amounts(usage), problem: limitProblem(volume, usage.total) };
}
