import { expect, it } from 'vitest';
import { PendingHeals } from './pending-heals.js';

const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };

it('counts a pool once in ten seconds for all who ask, and not at all where it cannot', async () => {
  let now = 0;
  let counted = 0;
  const heals = new PendingHeals({
    count: (pool) => (pool === 'here' ? Promise.resolve(++counted) : Promise.reject(new Error('not here'))),
    log,
    now: () => now,
  });
  expect(await Promise.all([heals.of('here'), heals.of('here'), heals.of('there')])).toEqual([1, 1, undefined]);
  now = 9_999;
  expect(await heals.of('here')).toBe(1);
  now = 10_000;
  expect(await heals.of('here')).toBe(2);
});
