import { randomBytes } from 'node:crypto';
import { failedPrecondition, isErrno } from '../base/errors.js';
import { MiB } from '../base/units.js';
import type { Tree } from '../linux/tree.js';
import type { QuotaMechanism } from './mechanism.js';

const KAYAL_DIRECTORY = '.kayal';
/** No pool has this size by chance, as it would if it were round. */
const TRIAL_LIMIT = 7n * MiB + 12_288n;

/** A new name each time: one that a brick which was away still has by another gfid would have to be healed first. */
const PREFIX = 'quota-trial-';

/** What former holders of the pool's lease left when they were killed; one that is still at it holds the lease no more. */
async function removeLeft(tree: Tree): Promise<void> {
  for (const { name } of (await tree.list(KAYAL_DIRECTORY)) ?? []) {
    if (name.startsWith(PREFIX)) await tree.rmdir(`${KAYAL_DIRECTORY}/${name}`);
  }
}

/**
 * Sets a limit on a new directory of the pool, has it verified, and takes both away. Only under the pool's lease.
 * @throws KayalError FAILED_PRECONDITION when the limit is refused or not kept
 */
export async function tryLimit(tree: Tree, mechanism: Pick<QuotaMechanism, 'set' | 'clear'>): Promise<void> {
  await removeLeft(tree);
  const path = `${KAYAL_DIRECTORY}/${PREFIX}${randomBytes(6).toString('hex')}`;
  await tree.mkdirs(path, 0o700);
  try {
    await mechanism.set({ path }, TRIAL_LIMIT);
    await mechanism.clear({ path });
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'EACCES', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL')) throw error;
    throw failedPrecondition(`a limit on a directory of the pool is refused (${error.message})`, { cause: error });
  } finally {
    await tree.rmdir(path).catch(() => undefined);
  }
}
