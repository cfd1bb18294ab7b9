import { unavailable } from '../base/errors.js';
import type { Tree } from '../linux/tree.js';
import { checkOwner, readPoolFile, type PoolFile } from './pool-file.js';
import { retryStale } from './retry-stale.js';

/**
 * Makes sure that what is mounted is the pool: neither a bare directory below a mount that is missing, nor the pool of
 * another installation, nor (`expected`) another pool than the one that was served here before.
 * @throws KayalError UNAVAILABLE, or FAILED_PRECONDITION with the command that takes the pool over
 */
export async function checkIdentity(options: {
  readonly pool: string;
  readonly tree: Tree;
  readonly installation: string;
  readonly expected: string | undefined;
}): Promise<PoolFile> {
  const { pool, tree, installation, expected } = options;
  const file = await retryStale(() => readPoolFile(tree));
  if (file === undefined) {
    throw unavailable(
      `pool ${pool}: ${tree.root} has no .kayal/pool.json: is this a bare directory where something should be ` +
        'mounted? Otherwise the controller has not prepared the pool yet',
    );
  }
  checkOwner(pool, file, installation);
  if (expected !== undefined && file.id !== expected) {
    throw unavailable(
      `pool ${pool}: ${tree.root} holds pool id ${file.id}, where ${expected} was before: mount the right one, or ` +
        'restart Kayal if the pool was really replaced',
    );
  }
  return file;
}
