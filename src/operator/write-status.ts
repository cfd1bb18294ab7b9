import type { ApiObject } from '../kube/api-writer.js';
import { FIELD_MANAGER, type Reconciling, type WantedStatus } from './reconciling.js';
import { conditionsOf, readyCondition } from './status.js';
import { API_VERSION, KIND, STORAGE_POOLS, type PoolStatus, type StoragePool } from './storage-pool.js';

/** Writes the status, unless it is so already. */
export async function writeStatus(by: Reconciling, pool: StoragePool, wanted: WantedStatus): Promise<void> {
  const { more = [], bricks = pool.status.bricks, ...rest } = wanted;
  const { phase = 'Creating', message = '' } = rest;
  const status: PoolStatus = {
    ...rest,
    // Never lost by a pass that did not get as far as to know it.
    volumeId: rest.volumeId ?? pool.status.volumeId,
    observedGeneration: pool.metadata.generation,
    bricks,
    conditions: conditionsOf(pool, [readyCondition(phase, message), ...more], by.now()),
  };
  if (isSame(status, pool.status)) return;
  const { name } = pool.metadata;
  const object: ApiObject = { apiVersion: API_VERSION, kind: KIND, metadata: { name }, status };
  await by.writer.apply(STORAGE_POOLS, object, { fieldManager: FIELD_MANAGER, subresource: 'status' });
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, sorted(one)]));
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

/** What a status goes on saying when a pass did not come to its end. */
export function keptOf({ status }: StoragePool): WantedStatus {
  const { layout, quota, volumeId, storageClass, bricksUp, pendingHeals, size, used, bricks } = status;
  return { layout, quota, volumeId, storageClass, bricksUp, pendingHeals, size, used, bricks };
}
