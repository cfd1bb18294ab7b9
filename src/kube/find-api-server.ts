import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { failedPrecondition } from '../base/errors.js';
import type { ApiServer } from './api-server.js';
import { kubeconfigApiServer } from './kubeconfig.js';
import { podApiServer } from './service-account.js';

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * The cluster to ask, in this order: `kubeconfig`, $KUBECONFIG, the service account of the pod that this runs in,
 * ~/.kube/config.
 * @param kubeconfig what --kubeconfig says
 * @throws KayalError FAILED_PRECONDITION when there is none, or it cannot be read
 */
export async function findApiServer(
  kubeconfig: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ApiServer> {
  if (kubeconfig !== undefined) return kubeconfigApiServer([kubeconfig]);
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  if (listed.length > 0) return kubeconfigApiServer(listed);
  const pod = podApiServer(env);
  if (pod !== undefined) return pod;
  const own = join(env['HOME'] ?? homedir(), '.kube', 'config');
  if (await exists(own)) return kubeconfigApiServer([own]);
  throw failedPrecondition(
    `no cluster to ask: not in a pod, no ${own}, $KUBECONFIG is not set; give --kubeconfig FILE`,
  );
}
