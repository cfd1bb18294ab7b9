import { describe, expect, it } from 'vitest';
import { parsePoolText, poolText, specProblem } from './pool-config.js';
import { FACTS, poolOf, REPLICA_3 } from './test-pools.js';

describe('the configuration of a pool', () => {
  it('has the bricks with their addresses', () => {
    expect(parsePoolText('fast', poolText(poolOf(REPLICA_3), FACTS))).toMatchObject({
      name: 'fast',
      type: 'managed',
      replica: 3,
      quota: 'auto',
      overcommit: 1,
      clientCache: true,
      bricks: ['/bricks/0/brick', '/bricks/1/brick', '/bricks/2/brick'],
      remote: FACTS,
    });
  });

  it('is that of an existing volume for an external pool', () => {
    const external = { hosts: ['g1', 'g2'], volume: 'vol', options: { 'log-level': 'ERROR' } };
    const pool = poolOf({ external, quota: 'gluster', overcommitPercent: 150 });
    expect(parsePoolText('fast', poolText(pool, { ...FACTS, addresses: [] }))).toMatchObject({
      type: 'gluster',
      ...external,
      quota: 'gluster',
      overcommit: 1.5,
    });
  });
});

describe('what is wrong with a pool', () => {
  const problem = (managed: object, more: object = {}): string | undefined => specProblem(poolOf({ managed, ...more }));
  const brick = (n: number): object => ({ node: `n${n}`, path: '/srv/kayal' });

  it('is nothing for one that Kayal can make', () => {
    expect(specProblem(poolOf(REPLICA_3))).toBeUndefined();
    expect(problem({ replica: 1, bricks: [brick(1)] })).toBeUndefined();
    expect(problem({ disperse: { data: 2, redundancy: 1 }, bricks: [1, 2, 3].map(brick) })).toBeUndefined();
  });

  it('is told in the words of the configuration', () => {
    expect(problem({ replica: 2, bricks: [1, 2].map(brick) })).toMatch(/^replica: must be 1 or 3: with two copies/);
    expect(problem({ replica: 2, arbiter: 1, bricks: [1, 2, 3].map(brick) }, { quota: 'simple' })).toMatch(
      /^quota: simple works with replica/,
    );
    expect(specProblem(poolOf({ external: { hosts: ['h'], volume: 'v', options: { 'dump-fuse': '/x' } } }))).toMatch(
      /^options: dump-fuse is not an option that a pool may set/,
    );
  });

  it('is a brick in the place of another one, and a path that leaves its place', () => {
    expect(problem({ replica: 3, bricks: [brick(1), brick(2), brick(1)] })).toBe(
      'spec.managed.bricks[2] is where bricks[0] is, too (/srv/kayal)',
    );
    expect(problem({ replica: 1, bricks: [{ node: 'n', path: '/srv/../etc' }] })).toMatch(
      /must be a path without \.\./,
    );
  });
});
