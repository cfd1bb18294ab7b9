import { text } from 'node:stream/consumers';
import { failedPrecondition, messageOf } from '../base/errors.js';
import { DRIVER_NAME } from '../base/version.js';
import { ApiClient } from '../kube/api-client.js';
import { listClaimsInUse, listPersistentVolumes } from '../kube/cluster-volumes.js';
import { findApiServer } from '../kube/find-api-server.js';

const COMMAND = `kubectl get pv -o jsonpath='{range .items[*]}{.spec.csi.volumeHandle}{"\\n"}{end}' | kayal volumes --orphans`;

async function withCluster<T>(kubeconfig: string | undefined, work: (client: ApiClient) => Promise<T>): Promise<T> {
  const client = new ApiClient(await findApiServer(kubeconfig, process.env));
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/**
 * Handles of all volumes that are wanted: those on standard input, one a line, else those of the cluster's
 * PersistentVolumes. An empty standard input, which is what a kubectl that failed leaves, counts as none.
 * @param kubeconfig the cluster to ask; standard input is not looked at
 * @throws KayalError when there is nothing to ask, or it does not answer
 */
export async function readWantedHandles(kubeconfig: string | undefined): Promise<ReadonlySet<string>> {
  const given =
    kubeconfig !== undefined || process.stdin.isTTY
      ? []
      : (await text(process.stdin)).split(/\s+/).filter((handle) => handle !== '');
  if (given.length > 0) return new Set(given);
  try {
    const volumes = await withCluster(kubeconfig, (client) => listPersistentVolumes(client, DRIVER_NAME));
    return new Set(volumes.map(({ handle }) => handle));
  } catch (error) {
    throw failedPrecondition(`--orphans: ${messageOf(error)}. Or give the handles on standard input: ${COMMAND}`, {
      cause: error,
    });
  }
}

/**
 * Handles of the cluster's PersistentVolumes that no pod uses at this moment.
 * @throws KayalError when the cluster does not answer
 */
export async function readIdleHandles(kubeconfig: string): Promise<ReadonlySet<string>> {
  return withCluster(kubeconfig, async (client) => {
    const [volumes, claims] = await Promise.all([listPersistentVolumes(client, DRIVER_NAME), listClaimsInUse(client)]);
    return new Set(volumes.flatMap(({ handle, claim }) => (claim !== undefined && claims.has(claim) ? [] : [handle])));
  });
}
