import { failedPrecondition } from '../base/errors.js';
import { parseBrickAddress } from '../gluster/brick-address.js';
import * as v from 'valibot';
import {
  isReady,
  podProblem,
  podsOf,
  readSecret,
  resourcesIn,
  serviceSchema,
  type BrickPod,
} from './cluster-objects.js';
import { identityOf, type ManagedIdentity } from './identity.js';
import { BRICK_PORT, bricksName, poolKey } from './names.js';
import {
  brickService,
  bricksSecret,
  brickStatefulSet,
  classNameOf,
  headlessService,
  type ObjectsOf,
} from './objects.js';
import { poolText } from './pool-config.js';
import { FIELD_MANAGER, type Reconciling, type WantedStatus } from './reconciling.js';
import { renewPods } from './renew-pods.js';
import { managedStatus, type BrickSight } from './status.js';
import type { ManagedSpec } from './storage-pool.js';

async function recordOf({ client, settings }: Reconciling, { pool }: ObjectsOf): Promise<ManagedIdentity> {
  const { name } = pool.metadata;
  const { secrets } = resourcesIn(settings.namespace);
  const [own, shared] = await Promise.all([
    readSecret(client, secrets, bricksName(name)),
    readSecret(client, secrets, settings.poolsSecret),
  ]);
  return identityOf(pool, { bricksText: own['pool.yaml'], make: own['make'], poolsText: shared[poolKey(name)] });
}

/** @returns HOST:PORT of each brick */
async function giveAddresses(by: Reconciling, of: ObjectsOf, { addresses }: ManagedIdentity): Promise<string[]> {
  const { services } = resourcesIn(by.settings.namespace);
  await by.writer.apply(services, headlessService(of), { fieldManager: FIELD_MANAGER });
  return Promise.all(
    addresses.map(async (recorded, index) => {
      const host = recorded === undefined ? undefined : parseBrickAddress(recorded)?.host;
      const service = brickService(of, index, host);
      const made = v.parse(serviceSchema, await by.writer.apply(services, service, { fieldManager: FIELD_MANAGER }));
      const { clusterIP } = made.spec;
      if (clusterIP === undefined || clusterIP === '' || clusterIP === 'None') {
        throw failedPrecondition(`the Service ${service.metadata.name} has no address of its own`);
      }
      return `${clusterIP}:${BRICK_PORT}`;
    }),
  );
}

async function sightOf(
  { look }: Reconciling,
  pod: BrickPod | undefined,
  known: Pick<BrickSight, 'address' | 'made'>,
): Promise<BrickSight> {
  const up = pod !== undefined && isReady(pod);
  const { podIP } = pod?.status ?? {};
  const figures = podIP === undefined ? {} : await look(podIP);
  return {
    ...figures,
    ...known,
    node: pod?.spec.nodeName,
    // A brick says ready only when it is this brick and serves.
    made: known.made || up,
    up,
    message: figures.problem ?? podProblem(pod),
  };
}

/**
 * Makes what bricks need, and gives the pool away when all of them have been there once.
 * @param publish gives the pool to controller and nodes
 * @throws KayalError what kept it from going on
 */
export async function reconcileBricks(
  by: Reconciling,
  of: ObjectsOf,
  managed: ManagedSpec,
  publish: (text: string) => Promise<void>,
): Promise<WantedStatus> {
  const { client, writer, settings } = by;
  const { name } = of.pool.metadata;
  const { secrets, statefulSets, pods } = resourcesIn(settings.namespace);
  const record = await recordOf(by, of);
  const addresses = await giveAddresses(by, of, record);
  const text = poolText(of.pool, { ...record.identity, addresses });
  const make = record.made.flatMap((isMade, index) => (isMade ? [] : [index]));
  await writer.apply(secrets, bricksSecret(of, text, make), { fieldManager: FIELD_MANAGER });
  for (const index of managed.bricks.keys()) {
    await writer.apply(statefulSets, brickStatefulSet(of, managed, index), { fieldManager: FIELD_MANAGER });
  }
  // From here on nothing is made in the place of a brick, so that there may be data.
  if (make.length === 0) await publish(text);
  const found = await podsOf(client, pods, name);
  const sights = await Promise.all(
    addresses.map((address, index) => sightOf(by, found.get(index), { address, made: record.made[index] === true })),
  );
  const renewing = await renewPods(by, { pool: name, pods: found, sights });
  const status = managedStatus(managed, sights);
  const isPublished = make.length === 0;
  return {
    ...status,
    // All bricks were seen for the first time in this pass: the next one gives the pool away.
    phase: status.phase === 'Ready' && !isPublished ? 'Creating' : status.phase,
    quota: of.pool.spec.quota === 'auto' ? 'gluster' : of.pool.spec.quota,
    volumeId: record.identity.volumeId,
    storageClass: isPublished ? classNameOf(of.pool) : undefined,
    more: [renewing],
  };
}
