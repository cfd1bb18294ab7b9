import * as v from 'valibot';
import type { ApiClient } from '../kube/api-client.js';
import type { ApiResource } from '../kube/api-resource.js';
import { ifThere } from '../kube/if-there.js';
import { POOL_LABEL, BRICK_LABEL } from './names.js';

/** The kinds of objects that the operator makes or reads, in its namespace. */
export function resourcesIn(
  namespace: string,
): Record<'services' | 'secrets' | 'pods' | 'statefulSets' | 'leases', ApiResource> {
  return {
    services: { group: '', version: 'v1', resource: 'services', namespace },
    secrets: { group: '', version: 'v1', resource: 'secrets', namespace },
    pods: { group: '', version: 'v1', resource: 'pods', namespace },
    statefulSets: { group: 'apps', version: 'v1', resource: 'statefulsets', namespace },
    leases: { group: 'coordination.k8s.io', version: 'v1', resource: 'leases', namespace },
  };
}

export const STORAGE_CLASSES: ApiResource = { group: 'storage.k8s.io', version: 'v1', resource: 'storageclasses' };

export const serviceSchema = v.object({ spec: v.object({ clusterIP: v.optional(v.string()) }) });

const secretSchema = v.object({ data: v.optional(v.record(v.string(), v.string()), {}) });

/** A Secret's texts by their keys; none for one that is not there. */
export async function readSecret(
  client: ApiClient,
  resource: ApiResource,
  name: string,
): Promise<Record<string, string>> {
  const found = await ifThere(client.get(resource, name, secretSchema));
  const entries = Object.entries(found?.data ?? {});
  return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}

const podSchema = v.object({
  metadata: v.object({
    name: v.string(),
    uid: v.string(),
    labels: v.optional(v.record(v.string(), v.string()), {}),
    deletionTimestamp: v.optional(v.string()),
  }),
  spec: v.object({ nodeName: v.optional(v.string()) }),
  status: v.optional(
    v.object({
      podIP: v.optional(v.string()),
      conditions: v.optional(
        v.array(v.object({ type: v.string(), status: v.string(), message: v.optional(v.string()) })),
        [],
      ),
      containerStatuses: v.optional(
        v.array(
          v.object({
            state: v.optional(
              v.object({
                waiting: v.optional(v.object({ reason: v.optional(v.string()), message: v.optional(v.string()) })),
              }),
              {},
            ),
          }),
        ),
        [],
      ),
    }),
    {},
  ),
});
export type BrickPod = v.InferOutput<typeof podSchema>;

/** The pods of a pool's bricks, by the number of the brick. */
export async function podsOf(
  client: ApiClient,
  resource: ApiResource,
  pool: string,
): Promise<ReadonlyMap<number, BrickPod>> {
  const pods = await client.list(resource, podSchema, { labelSelector: `${POOL_LABEL}=${pool},${BRICK_LABEL}` });
  return new Map(pods.map((pod) => [Number(pod.metadata.labels[BRICK_LABEL]), pod]));
}

export const statefulSetSchema = v.object({
  metadata: v.object({
    generation: v.optional(v.number(), 0),
    labels: v.optional(v.record(v.string(), v.string()), {}),
  }),
  status: v.optional(
    v.object({ observedGeneration: v.optional(v.number(), 0), updateRevision: v.optional(v.string(), '') }),
    {},
  ),
});

export const storageClassSchema = v.object({
  metadata: v.object({ labels: v.optional(v.record(v.string(), v.string()), {}) }),
});

export function isReady({ metadata, status }: BrickPod): boolean {
  const isTrue = (one: { readonly type: string; readonly status: string }): boolean =>
    one.type === 'Ready' && one.status === 'True';
  return metadata.deletionTimestamp === undefined && status.conditions.some(isTrue);
}

/** What Kubernetes says of a pod that does not run. */
export function podProblem(pod: BrickPod | undefined): string {
  if (pod === undefined) return 'it has no pod yet';
  if (pod.metadata.deletionTimestamp !== undefined) return 'its pod is being deleted';
  const scheduled = pod.status.conditions.find(({ type, status }) => type === 'PodScheduled' && status !== 'True');
  if (scheduled !== undefined) return `its pod finds no node: ${scheduled.message ?? 'not scheduled'}`;
  for (const { state } of pod.status.containerStatuses) {
    const { waiting } = state;
    if (waiting !== undefined) return [waiting.reason, waiting.message].filter((text) => text !== undefined).join(': ');
  }
  return 'its pod is not ready';
}
