import { describe, expect, it } from 'vitest';
import { brickName, bricksName } from './names.js';
import { brickService, bricksSecret, brickStatefulSet, headlessService, poolsSecret, storageClass } from './objects.js';
import { poolOf, REPLICA_3 } from './test-pools.js';

const settings = {
  namespace: 'storage',
  poolsSecret: 'kayal-pools',
  image: 'example.com/kayal:1',
  imagePullSecrets: ['registry'],
  priorityClassName: 'system-cluster-critical',
  logLevel: 'info',
};
const pool = poolOf({ managed: { ...REPLICA_3.managed, tolerations: [{ key: 'storage', operator: 'Exists' }] } });
const of = { pool, settings };
const managed = pool.spec.managed ?? { bricks: [] };

describe('objects of a pool', () => {
  it('have names that no two pools share', () => {
    const pools = ['a', 'a-1', 'a-1-0', 'bricks', 'a-bricks'];
    const names = pools.flatMap((name) => [bricksName(name), ...[0, 1, 10].map((index) => brickName(name, index))]);
    expect(new Set(names).size).toBe(names.length);
    expect(
      Math.max(
        ...['p'.repeat(40)].flatMap((name) => [bricksName(name), brickName(name, 119)].map(({ length }) => length)),
      ),
    ).toBeLessThanOrEqual(63);
  });

  it('keep the address that is on record', () => {
    expect(brickService(of, 1)).toMatchSnapshot();
    expect(brickService(of, 1, '10.96.0.9')).toHaveProperty('spec.clusterIP', '10.96.0.9');
    expect(headlessService(of)).toHaveProperty('spec.clusterIP', 'None');
  });

  it.each([0, 1, 2])('run brick %i where its disk is', (index) => {
    expect(brickStatefulSet(of, managed as never, index)).toMatchSnapshot();
  });

  it('tell bricks which of them are new, and nobody of other pools', () => {
    const secret = bricksSecret(of, 'name: fast\n', [0, 2]);
    const data = secret['data'] as Record<string, string>;
    const texts = Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64').toString()]);
    expect(Object.fromEntries(texts)).toEqual({ 'pool.yaml': 'name: fast\n', make: '0,2' });
  });

  it('set one key of the Secret of all pools, or take it away, and own nothing of it but that', () => {
    expect(poolsSecret(of, 'x')).toMatchObject({ metadata: { name: 'kayal-pools' }, data: { 'fast.yaml': 'eA==' } });
    expect(poolsSecret(of, 'x').metadata).not.toHaveProperty('ownerReferences');
    expect(poolsSecret(of, undefined)).not.toHaveProperty('data');
  });

  it('have a StorageClass as the pool says, or none', () => {
    expect(storageClass(of)).toMatchSnapshot();
    const named = poolOf({
      ...REPLICA_3,
      storageClass: { name: 'gold', volumeReclaimPolicy: 'Retain', onDelete: 'archive' },
    });
    expect(storageClass({ pool: named, settings })).toMatchObject({
      metadata: { name: 'gold' },
      reclaimPolicy: 'Retain',
      parameters: { pool: 'fast', onDelete: 'archive' },
    });
    expect(storageClass({ pool: poolOf({ ...REPLICA_3, storageClass: { create: false } }), settings })).toBeUndefined();
  });
});
