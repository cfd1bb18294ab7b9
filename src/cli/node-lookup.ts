import * as v from 'valibot';
import { KayalError } from '../base/errors.js';
import { DRIVER_NAME } from '../base/version.js';
import { ApiClient } from '../kube/api-client.js';
import { podApiServer } from '../kube/service-account.js';

const CSI_NODES = { group: 'storage.k8s.io', version: 'v1', resource: 'csinodes' } as const;
const CsiNodeSchema = v.object({
  spec: v.object({ drivers: v.nullable(v.array(v.object({ name: v.string(), nodeID: v.string() }))) }),
});

/**
 * Tells whether Kayal runs on a node: in a cluster by the node's CSINode object, which kubelet fills in when the driver
 * registers. Outside of one nobody knows, and any name is right.
 */
export function createNodeLookup(
  env: Readonly<Record<string, string | undefined>>,
  serviceAccount?: string,
): (node: string) => Promise<boolean> {
  const server = podApiServer(env, serviceAccount);
  if (server === undefined) return () => Promise.resolve(true);
  const client = new ApiClient(server);
  return async (node) => {
    try {
      const { spec } = await client.get(CSI_NODES, node, CsiNodeSchema);
      return (spec.drivers ?? []).some(({ name, nodeID }) => name === DRIVER_NAME && nodeID === node);
    } catch (error) {
      if (error instanceof KayalError && error.code === 'NOT_FOUND') return false;
      throw error;
    }
  };
}
