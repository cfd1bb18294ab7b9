import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findConflicts } from './config-conflicts.js';

const managed = (name: string, ...bricks: readonly string[]): Record<string, unknown> => ({
  name,
  type: 'managed',
  bricks,
});
const directory = (name: string, path: string, node?: string): Record<string, unknown> => ({
  name,
  type: 'directory',
  path,
  ...(node === undefined ? { shared: true } : { node }),
});

describe('findConflicts', () => {
  it('finds nothing between pools that have nothing in common', () => {
    expect(
      findConflicts([
        managed('a', '/srv/a1', '/srv/a2', '/srv/a10'),
        managed('b', '/srv/b'),
        directory('c', '/mnt/c'),
        { name: 'd', type: 'gluster', hosts: ['x'], volume: 'v' },
        { name: 'e', type: 'gluster', hosts: ['x'], volume: 'w' },
        { name: 'f', type: 'gluster', hosts: ['y'], volume: 'v' },
      ]),
    ).toEqual([]);
  });

  it.each([
    [[managed('a', '/srv/a'), managed('a', '/srv/b')], 'pools[1].name', 'must not be the name of pools[0] too'],
    [[managed('a', '/srv/a', '/srv/a')], 'pools[0].bricks[1]', 'must not be pools[0].bricks[0] too'],
    [[managed('a', '/srv/a'), managed('b', '/srv/a/')], 'pools[1].bricks[0]', 'must not be pools[0].bricks[0] too'],
    [[managed('a', '/srv/a', '/srv/a/b')], 'pools[0].bricks[1]', 'must not lie inside pools[0].bricks[0] (/srv/a)'],
    [
      [managed('a', '/srv/a/b'), managed('b', '/srv/a')],
      'pools[1].bricks[0]',
      'must not contain pools[0].bricks[0] (/srv/a/b)',
    ],
    [[managed('a', '/srv/a'), directory('b', '/srv')], 'pools[1].path', 'must not contain pools[0].bricks[0] (/srv/a)'],
    [[directory('a', '/mnt'), directory('b', '/mnt', 'n1')], 'pools[1].path', 'must not be pools[0].path too'],
    [
      [
        { name: 'a', type: 'gluster', hosts: ['x', 'y'], volume: 'v' },
        { name: 'b', type: 'gluster', hosts: ['y', 'z'], volume: 'v' },
      ],
      'pools[1].volume',
      'must not be the volume of pools[0] too',
    ],
  ])('finds %j', (pools, key, message) => {
    expect(findConflicts(pools)).toEqual([{ key, message }]);
  });

  it('lets two nodes have a tree of their own under one path', () => {
    expect(findConflicts([directory('a', '/srv/kayal', 'n1'), directory('b', '/srv/kayal', 'n2')])).toEqual([]);
    expect(findConflicts([directory('a', '/srv/kayal', 'n1'), directory('b', '/srv/kayal/x', 'n1')])).toHaveLength(1);
  });

  it('finds a conflict between two bricks exactly when one is the other or above it', () => {
    const path = fc.array(fc.constantFrom('a', 'b', 'ab'), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(path, path, (a, b) => {
        const [short, long] = a.length <= b.length ? [a, b] : [b, a];
        const nested = short.every((name, index) => long[index] === name);
        expect(findConflicts([managed('x', `/${a.join('/')}`), managed('y', `/${b.join('/')}`)]).length > 0).toBe(
          nested,
        );
      }),
    );
  });
});
