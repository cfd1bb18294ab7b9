import { DRIVER_NAME } from '../base/version.js';
import type { ApiObject } from '../kube/api-writer.js';
import { brickPod, type PodSettings } from './brick-pod.js';
import {
  APPLICATION_LABEL,
  BRICK_APPLICATION,
  BRICK_LABEL,
  BRICK_PORT,
  brickName,
  bricksName,
  defaultClassName,
  POOL_LABEL,
  poolKey,
} from './names.js';
import { API_VERSION, KIND, type ManagedSpec, type StoragePool } from './storage-pool.js';

const MANAGER_LABEL = 'app.kubernetes.io/managed-by';

/** What objects look like beyond the pool itself. */
export interface ObjectSettings extends PodSettings {
  /** Where everything is made that has a namespace. */
  readonly namespace: string;
  /** The Secret that controller and nodes have mounted. */
  readonly poolsSecret: string;
}

export interface ObjectsOf {
  readonly pool: StoragePool;
  readonly settings: ObjectSettings;
}

function labelsOf({ pool }: ObjectsOf, index?: number): Record<string, string> {
  return {
    [APPLICATION_LABEL]: BRICK_APPLICATION,
    [MANAGER_LABEL]: 'kayal-operator',
    [POOL_LABEL]: pool.metadata.name,
    ...(index === undefined ? {} : { [BRICK_LABEL]: String(index) }),
  };
}

/** They go with the pool's object. */
function ownerOf({ pool: { metadata } }: ObjectsOf): object[] {
  const { name, uid } = metadata;
  return [{ apiVersion: API_VERSION, kind: KIND, name, uid, controller: true, blockOwnerDeletion: true }];
}

function metadataOf(of: ObjectsOf, name: string, index?: number): ApiObject['metadata'] {
  const { namespace } = of.settings;
  return { name, namespace, labels: labelsOf(of, index), ownerReferences: ownerOf(of) };
}

/** @param address on record, which it gets again; absent: the cluster chooses one */
export function brickService(of: ObjectsOf, index: number, address?: string): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(of, brickName(of.pool.metadata.name, index), index),
    spec: {
      type: 'ClusterIP',
      ...(address === undefined ? {} : { clusterIP: address }),
      ipFamilyPolicy: 'SingleStack',
      ipFamilies: ['IPv4'],
      // Clients and other bricks find out by themselves whether it is there; what they connect to is no matter of probes.
      publishNotReadyAddresses: true,
      selector: { [POOL_LABEL]: of.pool.metadata.name, [BRICK_LABEL]: String(index) },
      ports: [{ name: 'brick', port: BRICK_PORT, targetPort: BRICK_PORT, protocol: 'TCP' }],
    },
  };
}

/** Gives the pods of bricks their names. */
export function headlessService(of: ObjectsOf): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(of, bricksName(of.pool.metadata.name)),
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: { [POOL_LABEL]: of.pool.metadata.name },
      ports: [{ name: 'brick', port: BRICK_PORT, targetPort: BRICK_PORT, protocol: 'TCP' }],
    },
  };
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

/** What bricks are told: the pool, and which of them may be made where nothing is. */
export function bricksSecret(of: ObjectsOf, text: string, make: readonly number[]): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadataOf(of, bricksName(of.pool.metadata.name)),
    type: 'Opaque',
    data: { 'pool.yaml': base64(text), make: base64(make.join(',')) },
  };
}

/**
 * The pool's part of the Secret that controller and nodes have mounted: each pool applies it as a field manager of its own.
 * @param text absent: the pool's key goes
 */
export function poolsSecret({ pool, settings }: ObjectsOf, text: string | undefined): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: settings.poolsSecret, namespace: settings.namespace },
    type: 'Opaque',
    ...(text === undefined ? {} : { data: { [poolKey(pool.metadata.name)]: base64(text) } }),
  };
}

export function brickStatefulSet(of: ObjectsOf, managed: ManagedSpec, index: number): ApiObject {
  const { name } = of.pool.metadata;
  const labels = labelsOf(of, index);
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadataOf(of, brickName(name, index), index),
    spec: {
      replicas: 1,
      serviceName: bricksName(name),
      // A brick's pod is made anew when no other brick waits for it.
      updateStrategy: { type: 'OnDelete' },
      selector: { matchLabels: { [POOL_LABEL]: name, [BRICK_LABEL]: String(index) } },
      template: { metadata: { labels }, spec: brickPod({ pool: name, managed, index, settings: of.settings }) },
    },
  };
}

export function classNameOf(pool: StoragePool): string | undefined {
  const { create, name } = pool.spec.storageClass;
  return create ? (name ?? defaultClassName(pool.metadata.name)) : undefined;
}

/** @returns undefined for a pool that is to have none */
export function storageClass(of: ObjectsOf): ApiObject | undefined {
  const name = classNameOf(of.pool);
  if (name === undefined) return undefined;
  const { volumeReclaimPolicy, onDelete } = of.pool.spec.storageClass;
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: {
      name,
      labels: { [MANAGER_LABEL]: 'kayal-operator', [POOL_LABEL]: of.pool.metadata.name },
      ownerReferences: ownerOf(of),
    },
    provisioner: DRIVER_NAME,
    reclaimPolicy: volumeReclaimPolicy,
    volumeBindingMode: 'Immediate',
    allowVolumeExpansion: true,
    parameters: { pool: of.pool.metadata.name, ...(onDelete === 'delete' ? {} : { onDelete }) },
  };
}
