import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { ApiClient } from '../kube/api-client.js';
import type { ApiServer } from '../kube/api-server.js';
import { kubeconfigApiServer } from '../kube/kubeconfig.js';
import { PodEvents } from '../kube/pod-events.js';
import { podApiServer } from '../kube/service-account.js';
import type { Settings } from './flags.js';

/** The cluster that a role runs in, or was told of; never the one that ~/.kube/config happens to name. */
async function ownCluster(kubeconfig: string | undefined): Promise<ApiServer | undefined> {
  return kubeconfig === undefined ? podApiServer(process.env) : kubeconfigApiServer([kubeconfig]);
}

/** Undefined where there is no cluster, or none that can be reached with what is there; the log says so then. */
export async function createPodEvents({ kubeconfig, nodeId }: Settings, log: Logger): Promise<PodEvents | undefined> {
  try {
    const server = await ownCluster(kubeconfig);
    return server === undefined ? undefined : new PodEvents({ client: new ApiClient(server), node: nodeId, log });
  } catch (error) {
    log.warn({ error: messageOf(error) }, 'pods are not told what happens to their volumes');
    return undefined;
  }
}
