import { messageOf } from '../../base/errors.js';
import { readUsage } from '../../quota/usage.js';
import { isImage } from '../requests/volume-shape.js';
import type { VolumeFacts } from './condition.js';
import { imageProblem } from './image-problem.js';
import type { VolumeRecord } from '../records/record.js';
import type { Session } from '../pool/session.js';

/** How long a volume may take to say what it uses before that counts as a fault, in ms. */
const LOOK_DEADLINE_MS = 5_000;

/** One look at the volume itself; where nothing counts it, what was last sampled. */
export async function lookAt(
  { tree, config, capacity }: Session,
  record: VolumeRecord,
): Promise<Pick<VolumeFacts, 'used' | 'problem'>> {
  const { id, path, quota } = record;
  try {
    const usage = await readUsage({
      tree,
      target: { path, projectId: quota.projectId },
      mechanism: quota.mechanism,
      local: config.type === 'directory',
      deadlineMs: LOOK_DEADLINE_MS,
    });
    // How full an image is only the filesystem in it knows, and the node that has it mounted says so.
    if (isImage(record)) return { problem: await imageProblem(tree, record) };
    if (usage !== undefined && record.type !== 'hybrid') return { used: usage.used };
    const entry = await tree.stat(path);
    const used = record.type === 'hybrid' ? undefined : capacity.usedBy(id);
    return { used, problem: entry === undefined ? `its data is not at ${path}` : undefined };
  } catch (error) {
    return { used: capacity.usedBy(id), problem: `its data cannot be read: ${messageOf(error)}` };
  }
}
