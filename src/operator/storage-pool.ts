import * as v from 'valibot';
import type { ApiResource } from '../kube/api-resource.js';

export const GROUP = 'kayal.storage';
export const API_VERSION = `${GROUP}/v1alpha1`;
export const KIND = 'StoragePool';
export const FINALIZER = `${GROUP}/pool`;
export const STORAGE_POOLS: ApiResource = { group: GROUP, version: 'v1alpha1', resource: 'storagepools' };

const words = v.record(v.string(), v.string());

const brickSpec = v.object({
  node: v.optional(v.string()),
  device: v.optional(v.string()),
  path: v.optional(v.string()),
  pvc: v.optional(v.string()),
});

const managed = v.object({
  replica: v.optional(v.picklist([1, 2, 3])),
  arbiter: v.optional(v.literal(1)),
  disperse: v.optional(v.object({ data: v.number(), redundancy: v.number() })),
  bricks: v.array(brickSpec),
  nodeSelector: v.optional(words, {}),
  tolerations: v.optional(
    v.array(
      v.object({
        key: v.optional(v.string()),
        operator: v.optional(v.picklist(['Exists', 'Equal'])),
        value: v.optional(v.string()),
        effect: v.optional(v.picklist(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])),
        tolerationSeconds: v.optional(v.number()),
      }),
    ),
    [],
  ),
  resources: v.optional(v.object({ requests: v.optional(words), limits: v.optional(words) }), {}),
  clientCache: v.optional(v.boolean(), true),
  brickReclaimPolicy: v.optional(v.literal('Retain'), 'Retain'),
  volumeId: v.optional(v.string()),
});

const external = v.object({ hosts: v.array(v.string()), volume: v.string(), options: v.optional(words, {}) });

const storageClass = v.object({
  create: v.optional(v.boolean(), true),
  name: v.optional(v.string()),
  volumeReclaimPolicy: v.optional(v.picklist(['Delete', 'Retain']), 'Delete'),
  onDelete: v.optional(v.picklist(['delete', 'archive', 'retain']), 'delete'),
});

const brickStatus = v.object({
  index: v.number(),
  node: v.optional(v.string()),
  source: v.string(),
  address: v.string(),
  made: v.boolean(),
  up: v.boolean(),
  message: v.optional(v.string()),
  pendingHeals: v.optional(v.number()),
  size: v.optional(v.string()),
  used: v.optional(v.string()),
});

const condition = v.object({
  type: v.string(),
  status: v.picklist(['True', 'False', 'Unknown']),
  observedGeneration: v.optional(v.number()),
  lastTransitionTime: v.string(),
  reason: v.string(),
  message: v.string(),
});

export const PHASES = ['Creating', 'Ready', 'Degraded', 'Down', 'Invalid', 'Deleting'] as const;

const status = v.object({
  observedGeneration: v.optional(v.number()),
  phase: v.optional(v.picklist(PHASES)),
  message: v.optional(v.string()),
  layout: v.optional(v.string()),
  quota: v.optional(v.string()),
  volumeId: v.optional(v.string()),
  storageClass: v.optional(v.string()),
  bricksUp: v.optional(v.string()),
  pendingHeals: v.optional(v.number()),
  size: v.optional(v.string()),
  used: v.optional(v.string()),
  bricks: v.optional(v.array(brickStatus), []),
  conditions: v.optional(v.array(condition), []),
});

const spec = v.object({
  managed: v.optional(managed),
  external: v.optional(external),
  quota: v.optional(v.picklist(['auto', 'gluster', 'simple', 'none']), 'auto'),
  overcommitPercent: v.optional(v.number(), 100),
  storageClass: v.optional(storageClass, {}),
});

/** As charts/kayal/files/storagepool-crd.yaml has it; what concerns several fields at once is checked by the server, by its rules. */
export const storagePoolSchema = v.object({
  metadata: v.object({
    name: v.string(),
    uid: v.string(),
    generation: v.optional(v.number(), 0),
    deletionTimestamp: v.optional(v.string()),
    finalizers: v.optional(v.array(v.string()), []),
    resourceVersion: v.optional(v.string()),
  }),
  spec,
  status: v.optional(status, {}),
});

/** For the test that compares them with the CRD. */
export const PARTS = { spec, status };

export type StoragePool = v.InferOutput<typeof storagePoolSchema>;
export type ManagedSpec = v.InferOutput<typeof managed>;
export type ExternalSpec = v.InferOutput<typeof external>;
export type BrickSpec = v.InferOutput<typeof brickSpec>;
export type PoolStatus = v.InferOutput<typeof status>;
export type BrickStatus = v.InferOutput<typeof brickStatus>;
export type Condition = v.InferOutput<typeof condition>;
