import { messageOf } from '../base/errors.js';
import { deletePool } from './delete-pool.js';
import { classNameOf, type ObjectsOf } from './objects.js';
import { poolText, specProblem } from './pool-config.js';
import { publish } from './publish.js';
import { reconcileBricks } from './reconcile-bricks.js';
import type { Reconciling, WantedStatus } from './reconciling.js';
import { FINALIZER, STORAGE_POOLS, type StoragePool } from './storage-pool.js';
import { keptOf, writeStatus } from './write-status.js';

async function addFinalizer({ writer }: Reconciling, { metadata }: StoragePool): Promise<void> {
  const { name, resourceVersion, finalizers } = metadata;
  if (finalizers.includes(FINALIZER)) return;
  await writer.merge(STORAGE_POOLS, name, { metadata: { resourceVersion, finalizers: [...finalizers, FINALIZER] } });
}

async function reconcileExternal(by: Reconciling, of: ObjectsOf): Promise<WantedStatus> {
  const nobody = { volumeId: '', credentials: { username: '', password: '' }, addresses: [] };
  await publish(by, of, poolText(of.pool, nobody));
  const { volume, hosts } = of.pool.spec.external ?? { volume: '', hosts: [] };
  return {
    phase: 'Ready',
    message: '',
    layout: `volume ${volume} of ${hosts.join(', ')}`,
    storageClass: classNameOf(of.pool),
  };
}

/**
 * Makes of the cluster what a pool says, as far as that goes now; repeated until it is.
 * @returns whether it should be looked at again soon
 * @throws KayalError what kept it from going on
 */
export async function reconcile(by: Reconciling, pool: StoragePool): Promise<{ readonly isSettled: boolean }> {
  const of: ObjectsOf = { pool, settings: by.settings };
  if (pool.metadata.deletionTimestamp !== undefined) return { isSettled: await deletePool(by, pool) };
  const problem = specProblem(pool);
  if (problem !== undefined) {
    await writeStatus(by, pool, { ...keptOf(pool), phase: 'Invalid', message: problem });
    return { isSettled: true };
  }
  try {
    await addFinalizer(by, pool);
    const { managed } = pool.spec;
    const wanted =
      managed === undefined
        ? await reconcileExternal(by, of)
        : await reconcileBricks(by, of, managed, (text) => publish(by, of, text));
    await writeStatus(by, pool, wanted);
    return { isSettled: wanted.phase === 'Ready' };
  } catch (error) {
    // Told where the pool's owner looks; the loop tries again.
    await writeStatus(by, pool, {
      ...keptOf(pool),
      phase: pool.status.phase === 'Ready' ? 'Degraded' : (pool.status.phase ?? 'Creating'),
      message: messageOf(error),
    }).catch((failure: unknown) => by.log.warn({ error: messageOf(failure) }, 'status not written'));
    throw error;
  }
}
