import * as v from 'valibot';
import { storagePoolSchema, type StoragePool } from './storage-pool.js';

/** A pool as the server gives it back; for tests. */
export function poolOf(spec: object, status: object = {}, name = 'fast'): StoragePool {
  return v.parse(storagePoolSchema, { metadata: { name, uid: 'u-1', generation: 3 }, spec, status });
}

export const REPLICA_3 = {
  managed: {
    replica: 3,
    bricks: [{ node: 'n1', device: '/dev/vdb' }, { node: 'n2', path: '/srv/kayal' }, { pvc: 'claim-1' }],
  },
};

export const VOLUME_ID = '0d5f1c3a-1111-4222-8333-123456789abc';
export const FACTS = {
  volumeId: VOLUME_ID,
  credentials: { username: 'user', password: 'secret' },
  addresses: ['10.96.0.1:24100', '10.96.0.2:24100', '10.96.0.3:24100'],
};
