import { ifThere, resourcesIn, statefulSetSchema, type BrickPod } from './cluster-objects.js';
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

/**
 * The brick whose pod may be made anew now, of those that have an old version; undefined: none may. Writers must always find
 * a majority that is up to date: so all bricks are up, and none waits to be healed.
 */
export function nextToRenew(outdated: readonly number[], sights: readonly BrickSight[]): number | undefined {
  const isWhole = sights.every(({ up, pendingHeals }) => up && pendingHeals === 0);
  // One that does not run cannot get worse, and a new version may be what mends it.
  const broken = outdated.find((index) => sights[index]?.up === false);
  return isWhole ? outdated[0] : broken;
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
  const outdated = await outdatedPods(by, input);
  const type = 'UpToDate';
  if (outdated.length === 0) return { type, status: 'True', reason: 'UpToDate', message: '' };
  const next = nextToRenew(outdated, input.sights);
  const waiting = `bricks ${outdated.join(', ')} have an old version of their pod`;
  if (next === undefined) {
    const message = `${waiting}, and wait until all bricks are up and healed`;
    return { type, status: 'False', reason: 'Waiting', message };
  }
  const name = input.pods.get(next)?.metadata.name ?? '';
  by.log.info({ pool: input.pool, pod: name }, 'the pod of a brick is made anew');
  await by.writer.delete(resourcesIn(by.settings.namespace).pods, name);
  return { type, status: 'False', reason: 'Renewing', message: `${waiting}; that of brick ${next} is being made anew` };
}
