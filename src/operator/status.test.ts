import { describe, expect, it } from 'vitest';
import { nextToRenew, RECONNECTED_MS } from './renew-pods.js';
import { conditionsOf, judge, managedStatus, readyCondition, type BrickSight } from './status.js';
import { poolOf, REPLICA_3 } from './test-pools.js';

const GiB = 1024 ** 3;
const up: BrickSight = {
  address: '10.0.0.1:24100',
  made: true,
  up: true,
  pendingHeals: 0,
  sizeBytes: 10 * GiB,
  usedBytes: GiB,
};
const down: BrickSight = { ...up, up: false, message: 'its disk is gone' };
const managedOf = (keys: object, count: number): NonNullable<ReturnType<typeof poolOf>['spec']['managed']> => {
  const bricks = Array.from({ length: count }, (_, n) => ({ node: `n${n}`, device: '/dev/vdb' }));
  const { managed } = poolOf({ managed: { ...keys, bricks } }).spec;
  if (managed === undefined) throw new Error('no bricks');
  return managed;
};

describe('the phase of a pool', () => {
  const three = managedOf({ replica: 3 }, 3);

  it('says how much of it is there', () => {
    expect(judge(three, [up, up, up])).toEqual({ phase: 'Ready', message: '' });
    expect(judge(three, [up, down, up])).toEqual({
      phase: 'Degraded',
      message: 'brick 1 (n1:/dev/vdb): its disk is gone',
    });
    expect(judge(three, [down, down, up]).phase).toBe('Down');
    expect(judge(managedOf({ replica: 1 }, 2), [up, down]).phase).toBe('Down');
    expect(judge(managedOf({ disperse: { data: 2, redundancy: 1 } }, 3), [up, down, up]).phase).toBe('Degraded');
  });

  it('is Creating until all bricks were there once, with what keeps them from it', () => {
    expect(judge(three, [{ ...up, made: false }, up, up])).toEqual({
      phase: 'Creating',
      message: '1 bricks are being made',
    });
    expect(judge(three, [{ ...down, made: false }, up, up])).toEqual({
      phase: 'Creating',
      message: 'brick 0 (n0:/dev/vdb): its disk is gone',
    });
  });
});

describe('the status of a pool', () => {
  it('adds up what its groups offer', () => {
    expect(
      managedStatus(managedOf({ replica: 3 }, 6), [up, { ...up, sizeBytes: 8 * GiB }, up, up, up, up]),
    ).toMatchObject({
      layout: '2 x replica 3',
      bricksUp: '6/6',
      pendingHeals: 0,
      size: '18 GiB',
      used: '2 GiB',
    });
    expect(managedStatus(managedOf({ disperse: { data: 2, redundancy: 1 } }, 3), [up, up, up]).size).toBe('20 GiB');
  });

  it('does not count what an arbiter has', () => {
    const arbiter = { ...up, sizeBytes: GiB, usedBytes: 0 };
    expect(managedStatus(managedOf({ replica: 2, arbiter: 1 }, 3), [up, up, arbiter]).size).toBe('10 GiB');
  });

  it('says nothing of what it does not know', () => {
    const unseen = { ...down, pendingHeals: undefined, sizeBytes: undefined, usedBytes: undefined };
    const status = managedStatus(managedOf({ replica: 1 }, 2), [up, unseen]);
    expect(status).not.toHaveProperty('size');
    expect(status).not.toHaveProperty('pendingHeals');
    expect(status.bricks[1]).toEqual({
      index: 1,
      node: 'n1',
      source: '/dev/vdb',
      address: '10.0.0.1:24100',
      made: true,
      up: false,
      message: 'its disk is gone',
    });
  });
});

it('a condition keeps the time of its last change', () => {
  const before = {
    type: 'Ready',
    status: 'True',
    reason: 'Ready',
    message: '',
    lastTransitionTime: '2020-01-01T00:00:00Z',
  };
  const pool = poolOf(REPLICA_3, { conditions: [before] });
  const now = '2026-01-01T00:00:00Z';
  expect(conditionsOf(pool, [readyCondition('Degraded', 'x')], now)[0]?.lastTransitionTime).toBe(
    before.lastTransitionTime,
  );
  expect(conditionsOf(pool, [readyCondition('Down', 'x')], now)[0]).toEqual({
    type: 'Ready',
    status: 'False',
    reason: 'Down',
    message: 'x',
    observedGeneration: 3,
    lastTransitionTime: now,
  });
});

describe('pods of bricks with an old version', () => {
  it('are made anew one at a time, while all bricks are up and healed', () => {
    expect(nextToRenew([1, 2], [up, up, up], RECONNECTED_MS)).toBe(1);
    expect(nextToRenew([1, 2], [up, up, { ...up, pendingHeals: 4 }], RECONNECTED_MS)).toBeUndefined();
    expect(nextToRenew([1, 2], [up, up, { ...up, pendingHeals: undefined }], RECONNECTED_MS)).toBeUndefined();
    expect(nextToRenew([1, 2], [down, up, up], RECONNECTED_MS)).toBeUndefined();
    expect(nextToRenew([1, 2], [up, up, up], RECONNECTED_MS - 1)).toBeUndefined();
  });

  it('are made anew also when they do not run', () => {
    expect(nextToRenew([0, 2], [up, up, down], RECONNECTED_MS)).toBe(2);
  });
});
