import { resourcesIn } from './cluster-objects.js';
import { brickName, bricksName, defaultClassName } from './names.js';
import { poolsSecret } from './objects.js';
import { describeVolumes, volumesIn } from './pool-volumes.js';
import { removeClass } from './publish.js';
import { poolManager, type Reconciling } from './reconciling.js';
import { keptOf, writeStatus } from './write-status.js';
import { FINALIZER, STORAGE_POOLS, type StoragePool } from './storage-pool.js';

/** Ends the pool's bricks, and what else was made for it; what is on the bricks stays as it is. */
async function removeObjects(by: Reconciling, pool: StoragePool): Promise<void> {
  const { writer, settings } = by;
  const { name } = pool.metadata;
  const { secrets, services, statefulSets } = resourcesIn(settings.namespace);
  await writer.apply(secrets, poolsSecret({ pool, settings }, undefined), { fieldManager: poolManager(name) });
  for (const index of pool.spec.managed?.bricks.keys() ?? []) {
    await writer.delete(statefulSets, brickName(name, index));
    await writer.delete(services, brickName(name, index));
  }
  if (pool.spec.managed === undefined) return;
  await writer.delete(services, bricksName(name));
  await writer.delete(secrets, bricksName(name));
}

/**
 * Ends a pool whose object is being deleted, unless it has volumes.
 * @returns false: it is kept, for volumes
 */
export async function deletePool(by: Reconciling, pool: StoragePool): Promise<boolean> {
  const { name, finalizers, resourceVersion } = pool.metadata;
  if (!finalizers.includes(FINALIZER)) return true;
  // So that no more come while it is looked for those that are there.
  await removeClass(by, name, pool.status.storageClass ?? pool.spec.storageClass.name ?? defaultClassName(name));
  const volumes = await volumesIn(by.client, name);
  if (volumes.length > 0) {
    const message = `not deleted, as it has ${volumes.length} volumes: ${describeVolumes(volumes)}; delete their claims first`;
    const refused = { type: 'Deletable', status: 'False' as const, reason: 'HasVolumes', message };
    await writeStatus(by, pool, { ...keptOf(pool), phase: 'Deleting', message, more: [refused] });
    return false;
  }
  await removeObjects(by, pool);
  const left = finalizers.filter((one) => one !== FINALIZER);
  await by.writer.merge(STORAGE_POOLS, name, { metadata: { resourceVersion, finalizers: left } });
  by.log.info({ pool: name }, 'pool removed; what is on its bricks stays');
  return true;
}
