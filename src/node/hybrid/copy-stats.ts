import type { NodeGetVolumeStatsResponse } from '../../gen/csi/v1/NodeGetVolumeStatsResponse.js';
import type { IoWorkers } from '../../linux/io-workers.js';
import { Tree } from '../../linux/tree.js';
import { conditionOf } from '../../volumes/health/condition.js';
import { LOCAL } from './local-image.js';

/** What a copy on this node says of itself: nothing in it asks the pool, which may hang. */
export async function statsOfCopy(
  io: IoWorkers,
  { pool, target, problem }: { readonly pool: string; readonly target: string; readonly problem: string },
): Promise<NodeGetVolumeStatsResponse> {
  const tree = await Tree.open(io, LOCAL, target);
  try {
    const { total, free, available, files, filesFree } = await tree.statfs('');
    const used = total - free;
    const { abnormal, message } = conditionOf({ pool, record: { limitBytes: total }, used, problem });
    return {
      usage: [
        { unit: 'BYTES', total: String(total), used: String(used), available: String(available) },
        { unit: 'INODES', total: String(files), used: String(files - filesFree), available: String(filesFree) },
      ],
      volume_condition: { abnormal, message },
    };
  } finally {
    await tree.close();
  }
}
