import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failedPrecondition, messageOf } from '../base/errors.js';
import type { ApiServer } from './api-server.js';

/** Where kubelet projects the service account of a pod (Kubernetes: "Accessing the Kubernetes API from a Pod"). */
const DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The API server as a pod sees it; undefined outside a cluster. */
export function podApiServer(
  env: Readonly<Record<string, string | undefined>>,
  directory = DIRECTORY,
): ApiServer | undefined {
  const host = env['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '';
  if (host === '' || port === '') return undefined;
  const read = async (name: string): Promise<string> => {
    try {
      return await readFile(join(directory, name), 'utf8');
    } catch (error) {
      const todo = 'is automountServiceAccountToken off?';
      throw failedPrecondition(`the pod's service account cannot be read: ${messageOf(error)}; ${todo}`, {
        cause: error,
      });
    }
  };
  return {
    url: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}/`),
    isInsecure: false,
    source: "the pod's service account",
    async credentials() {
      const [ca, token] = await Promise.all([read('ca.crt'), read('token')]);
      return { ca, token: token.trim() };
    },
  };
}
