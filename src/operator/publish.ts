import { failedPrecondition } from '../base/errors.js';
import { ifThere } from '../kube/if-there.js';
import { resourcesIn, STORAGE_CLASSES, storageClassSchema } from './cluster-objects.js';
import { POOL_LABEL } from './names.js';
import { poolsSecret, storageClass, type ObjectsOf } from './objects.js';
import { FIELD_MANAGER, poolManager, type Reconciling } from './reconciling.js';

/** Gives the pool to controller and nodes, and its StorageClass to the cluster. */
export async function publish(by: Reconciling, of: ObjectsOf, text: string): Promise<void> {
  const { client, writer, settings } = by;
  const { name } = of.pool.metadata;
  const { secrets } = resourcesIn(settings.namespace);
  await writer.apply(secrets, poolsSecret(of, text), { fieldManager: poolManager(name) });
  const wanted = storageClass(of);
  const before = of.pool.status.storageClass;
  if (before !== undefined && before !== wanted?.metadata.name) await removeClass(by, name, before);
  if (wanted === undefined) return;
  const found = await ifThere(client.get(STORAGE_CLASSES, wanted.metadata.name, storageClassSchema));
  if (found !== undefined && found.metadata.labels[POOL_LABEL] !== name) {
    throw failedPrecondition(
      `StorageClass ${wanted.metadata.name} is there and is not this pool's: give another name (spec.storageClass.name), or delete it`,
    );
  }
  await writer.apply(STORAGE_CLASSES, wanted, { fieldManager: FIELD_MANAGER });
}

/** Only one that was made for the pool. */
export async function removeClass({ client, writer }: Reconciling, pool: string, name: string): Promise<void> {
  const found = await ifThere(client.get(STORAGE_CLASSES, name, storageClassSchema));
  if (found?.metadata.labels[POOL_LABEL] === pool) await writer.delete(STORAGE_CLASSES, name);
}
