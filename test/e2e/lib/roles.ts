import * as v from 'valibot';
import type { Cluster } from '../cluster/cluster.js';
import { NAMESPACE } from '../cluster/install.js';

const podSchema = v.looseObject({
  metadata: v.looseObject({ name: v.string(), deletionTimestamp: v.optional(v.string()) }),
  spec: v.looseObject({ nodeName: v.optional(v.string(), '') }),
  status: v.looseObject({
    containerStatuses: v.optional(
      v.array(v.looseObject({ name: v.string(), restartCount: v.number(), ready: v.boolean() })),
      [],
    ),
  }),
});

/** A pod of Kayal. */
export interface RolePod {
  readonly name: string;
  readonly node: string;
  /** Of the container of the role itself. */
  readonly restarts: number;
  readonly isReady: boolean;
}

/** Those that are not being deleted. */
async function rolePods(cluster: Cluster, component: 'controller' | 'node'): Promise<readonly RolePod[]> {
  const selector = `--selector=app.kubernetes.io/component=${component}`;
  const pods = await cluster.kubectl.in(NAMESPACE).list(podSchema, 'pods', selector);
  return pods
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata, spec, status }) => {
      const own = status.containerStatuses.find(({ name }) => name === 'kayal');
      return {
        name: metadata.name,
        node: spec.nodeName,
        restarts: own?.restartCount ?? 0,
        isReady: own?.ready ?? false,
      };
    });
}

/** @throws Error when there is none on that node */
export async function nodeRoleOn(cluster: Cluster, node: string): Promise<RolePod> {
  const found = (await rolePods(cluster, 'node')).find((pod) => pod.node === node);
  if (found === undefined) throw new Error(`there is no pod of the node role on ${node}`);
  return found;
}

/** @throws Error when there is no controller */
export async function controllerPod(cluster: Cluster): Promise<RolePod> {
  const [found] = await rolePods(cluster, 'controller');
  if (found === undefined) throw new Error('there is no controller');
  return found;
}
