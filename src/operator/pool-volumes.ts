import { DRIVER_NAME } from '../base/version.js';
import type { ApiClient } from '../kube/api-client.js';
import { listPersistentVolumes } from '../kube/cluster-volumes.js';

/** Handles of the PersistentVolumes that lie in a pool, with the claims that have them. */
export async function volumesIn(client: ApiClient, pool: string): Promise<string[]> {
  const volumes = await listPersistentVolumes(client, DRIVER_NAME);
  return volumes
    .filter(({ handle }) => handle.startsWith(`${pool}/`))
    .map(({ handle, claim }) => (claim === undefined ? handle : `${handle} (claim ${claim})`))
    .toSorted();
}

const SHOWN = 10;

export function describeVolumes(volumes: readonly string[]): string {
  const shown = volumes.slice(0, SHOWN).join(', ');
  return volumes.length > SHOWN ? `${shown}, and ${volumes.length - SHOWN} more` : shown;
}
