import { failedPrecondition } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ProcessIdentity } from '../../linux/process-info.js';
import type { Tree } from '../../linux/tree.js';
import { POOL_FILE, formatPoolFile, readPoolFile, type PoolFile } from '../../pools/pool-file.js';
import { Lease } from './lease.js';

export interface TakeoverOptions {
  readonly pool: string;
  readonly tree: Tree;
  readonly installation: string;
  readonly node: string;
  readonly self: ProcessIdentity;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly onWaiting: (holder: string) => void;
}

/**
 * Makes the pool belong to `installation`. Under the pool's lease: a controller of the other installation that still
 * runs keeps it, and this waits until that one is gone.
 * @returns the installation that had it before
 * @throws KayalError FAILED_PRECONDITION when there is no pool, UNAVAILABLE when the wait is given up
 */
export async function takeOver(options: TakeoverOptions): Promise<string> {
  const { pool, tree, installation } = options;
  const before = await requirePoolFile(pool, tree);
  if (before.owner === installation) return before.owner;
  const lease = await Lease.acquire(options);
  try {
    const file = await requirePoolFile(pool, tree);
    lease.assertHeld();
    await tree.replaceFile(lease.temporary('pool'), POOL_FILE, formatPoolFile({ ...file, owner: installation }));
    return file.owner;
  } finally {
    await lease.close(true);
  }
}

async function requirePoolFile(pool: string, tree: Tree): Promise<PoolFile> {
  const file = await readPoolFile(tree);
  if (file !== undefined) return file;
  throw failedPrecondition(`pool ${pool}: ${tree.root} has no ${POOL_FILE}, so nobody owns it: start the controller`);
}
