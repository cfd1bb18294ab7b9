import type { ApiClient } from '../kube/api-client.js';
import { ifThere } from '../kube/if-there.js';
import { resourcesIn, statefulSetSchema, type BrickPod } from './cluster-objects.js';
import { brickName } from './names.js';
import type { Reconciling } from './reconciling.js';
import type { BrickSight, ConditionWish } from './status.js';

/** Kubernetes writes here of which version of its StatefulSet a pod is. */
const REVISION_LABEL = 'controller-revision-hash';

export interface RenewInput {
  readonly pool: string;
  /** By the number of the brick. */
  readonly pods: ReadonlyMap<number, BrickPod>;
  readonly sights: readonly BrickSight[];
}

/** Clients try every three seconds to reach a brick that is back (rpc-clnt.c): until then they do without it, whatever it says of itself. */
export const RECONNECTED_MS = 20_000;

const wholeSince = new WeakMap<ApiClient, Map<string, number>>();

function isWhole(sights: readonly BrickSight[]): boolean {
  return sights.every(({ up, pendingHeals }) => up && pendingHeals === 0);
}

/** For how long a pool was seen whole each time that it was looked at, in ms; by this process's own clock. */
function wholeFor({ client }: Reconciling, { pool, sights }: RenewInput): number {
  const times = wholeSince.get(client) ?? new Map<string, number>();
  wholeSince.set(client, times);
  if (!isWhole(sights)) {
    times.delete(pool);
    return 0;
  }
  const since = times.get(pool) ?? performance.now();
  times.set(pool, since);
  return performance.now() - since;
}

/**
 * The brick whose pod may be made anew now, of those that have an old version; undefined: none may. Writers must always find
 * a majority that is up to date: so all bricks are up, none waits to be healed, and clients had the time to reach all of them.
 * @param wholeForMs for how long that has been so
 */
export function nextToRenew(
  outdated: readonly number[],
  sights: readonly BrickSight[],
  wholeForMs: number,
): number | undefined {
  // One that does not run cannot get worse, and a new version may be what mends it.
  const broken = outdated.find((index) => sights[index]?.up === false);
  if (!isWhole(sights)) return broken;
  return wholeForMs >= RECONNECTED_MS ? outdated[0] : undefined;
}

async function outdatedPods({ client, settings }: Reconciling, { pool, pods }: RenewInput): Promise<number[]> {
  const { statefulSets } = resourcesIn(settings.namespace);
  const checked = await Promise.all(
    [...pods].map(async ([index, pod]) => {
      const found = await ifThere(client.get(statefulSets, brickName(pool, index), statefulSetSchema));
      if (found === undefined || found.status.observedGeneration !== found.metadata.generation) return [];
      const { updateRevision } = found.status;
      return updateRevision === '' || pod.metadata.labels[REVISION_LABEL] === updateRevision ? [] : [index];
    }),
  );
  return checked.flat().toSorted((a, b) => a - b);
}

/** Has pods of bricks that have an old version made anew, one at a time. @returns the condition that tells of it */
export async function renewPods(by: Reconciling, input: RenewInput): Promise<ConditionWish> {
  const wholeForMs = wholeFor(by, input);
  const outdated = await outdatedPods(by, input);
  const type = 'UpToDate';
  if (outdated.length === 0) return { type, status: 'True', reason: 'UpToDate', message: '' };
  const next = nextToRenew(outdated, input.sights, wholeForMs);
  const waiting = `bricks ${outdated.join(', ')} have an old version of their pod`;
  if (next === undefined) {
    const message = `${waiting}, and wait until all bricks are up and healed, and clients have them again`;
    return { type, status: 'False', reason: 'Waiting', message };
  }
  const name = input.pods.get(next)?.metadata.name ?? '';
  by.log.info({ pool: input.pool, pod: name }, 'the pod of a brick is made anew');
  await by.writer.delete(resourcesIn(by.settings.namespace).pods, name);
  return { type, status: 'False', reason: 'Renewing', message: `${waiting}; that of brick ${next} is being made anew` };
}
