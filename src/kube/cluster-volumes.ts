import * as v from 'valibot';
import type { ApiClient } from './api-client.js';
import type { ApiResource } from './api-resource.js';

const core = (resource: string): ApiResource => ({ group: '', version: 'v1', resource });

const PersistentVolumeSchema = v.object({
  spec: v.object({
    csi: v.optional(v.object({ driver: v.string(), volumeHandle: v.string() })),
    claimRef: v.optional(v.object({ namespace: v.optional(v.string(), ''), name: v.optional(v.string(), '') })),
  }),
});

const PodSchema = v.object({
  metadata: v.object({ namespace: v.string(), name: v.string() }),
  spec: v.object({
    volumes: v.optional(
      v.array(
        v.object({
          name: v.string(),
          persistentVolumeClaim: v.optional(v.object({ claimName: v.string() })),
          ephemeral: v.optional(v.unknown()),
        }),
      ),
      [],
    ),
  }),
});

/** A PersistentVolume of one driver. */
export interface ClusterVolume {
  readonly handle: string;
  /** `namespace/name` of the claim that it is bound to. */
  readonly claim?: string | undefined;
}

/** @throws KayalError as ApiClient.list does */
export async function listPersistentVolumes(client: ApiClient, driver: string): Promise<ClusterVolume[]> {
  const volumes = await client.list(core('persistentvolumes'), PersistentVolumeSchema);
  return volumes.flatMap(({ spec: { csi, claimRef } }) =>
    csi?.driver === driver
      ? [{ handle: csi.volumeHandle, claim: claimRef && `${claimRef.namespace}/${claimRef.name}` }]
      : [],
  );
}

/**
 * `namespace/name` of the claims that pods use which have not ended, scheduled or not.
 * @throws KayalError as ApiClient.list does
 */
export async function listClaimsInUse(client: ApiClient): Promise<ReadonlySet<string>> {
  const pods = await client.list(core('pods'), PodSchema, {
    fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
  });
  return new Set(
    pods.flatMap(({ metadata: { namespace, name: pod }, spec }) =>
      spec.volumes.flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
        if (persistentVolumeClaim !== undefined) return [`${namespace}/${persistentVolumeClaim.claimName}`];
        // A generic ephemeral volume's claim has the name of the pod and of the volume in it (Kubernetes docs).
        return ephemeral === undefined ? [] : [`${namespace}/${pod}-${name}`];
      }),
    ),
  );
}
