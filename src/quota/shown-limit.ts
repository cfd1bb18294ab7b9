import { setTimeout as sleep } from 'node:timers/promises';
import { failedPrecondition } from '../base/errors.js';
import { formatBytes } from '../base/units.js';
import type { FsUsage, Tree } from '../linux/tree.js';

/** How often a limit that is not shown is looked at again: a brick that has just come back may still answer with the old one. */
const LOOKS = 4;
const PAUSE_MS = 100;

/**
 * Whether what statfs says of a directory is its limit. features/quota rounds it down to whole blocks
 * (quota_statfs_cbk), features/simple-quota does too and adds a block (sq_statfs_cbk).
 */
export function showsLimit({ total, blockSize }: Pick<FsUsage, 'total' | 'blockSize'>, limitBytes: bigint): boolean {
  return total > limitBytes - blockSize && total <= limitBytes + blockSize;
}

/** An attribute that asks for a limit. */
export interface LimitAttribute {
  readonly name: string;
  readonly value: Uint8Array;
}

/**
 * Sets a limit and checks with statfs that it is in force: on a volume without quota an attribute that asks for one is
 * stored, and means nothing.
 * @throws KayalError FAILED_PRECONDITION when statfs shows another size
 */
export async function setShownLimit(
  tree: Tree,
  path: string,
  { name, value }: LimitAttribute,
  limitBytes: bigint,
): Promise<void> {
  let usage = await tree.setXattrThenStatfs(path, name, value);
  for (let look = 1; !showsLimit(usage, limitBytes); look++) {
    if (look === LOOKS) {
      throw failedPrecondition(
        `a limit of ${formatBytes(limitBytes)} was set on ${path}, and statfs shows ${formatBytes(usage.total)}`,
      );
    }
    await sleep(PAUSE_MS);
    usage = await tree.statfs(path);
  }
}
