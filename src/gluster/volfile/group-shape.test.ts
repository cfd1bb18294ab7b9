import { describe, expect, it } from 'vitest';
import {
  bricksNeeded,
  dataBricks,
  describeShape,
  groupsOf,
  holdsAllOnEachBrick,
  isArbiterBrick,
  shapeOf,
} from './group-shape.js';
import type { GroupWish } from './group-shape.js';

describe('the groups of a pool', () => {
  it.each<[GroupWish, string, { size: number; needed: number; data: number }]>([
    [{ replica: 1 }, 'replica 1', { size: 1, needed: 1, data: 1 }],
    [{ replica: 3 }, 'replica 3', { size: 3, needed: 2, data: 1 }],
    [{ replica: 2, arbiter: 1 }, 'replica 2 arbiter 1', { size: 3, needed: 2, data: 1 }],
    [{ replica: 3, arbiter: 1 }, 'replica 2 arbiter 1', { size: 3, needed: 2, data: 1 }],
    [{ disperse: { data: 2, redundancy: 1 } }, 'disperse-data 2 redundancy 1', { size: 3, needed: 2, data: 2 }],
    [{ disperse: { data: 4, redundancy: 2 } }, 'disperse-data 4 redundancy 2', { size: 6, needed: 4, data: 4 }],
  ])('%j is %s', (wish, text, { size, needed, data }) => {
    const shape = shapeOf(wish);
    expect(describeShape(shape)).toBe(text);
    expect(shape.size).toBe(size);
    expect(bricksNeeded(shape)).toBe(needed);
    expect(dataBricks(shape)).toBe(data);
  });

  it('has its arbiter last, and only where there is one', () => {
    const arbiters = (wish: GroupWish): boolean[] => [0, 1, 2].map((at) => isArbiterBrick(shapeOf(wish), at));
    expect(arbiters({ replica: 2, arbiter: 1 })).toEqual([false, false, true]);
    expect(arbiters({ replica: 3 })).toEqual([false, false, false]);
  });

  it('has everything on each brick with one set of whole copies only', () => {
    expect(holdsAllOnEachBrick(shapeOf({ replica: 3 }), 3)).toBe(true);
    expect(holdsAllOnEachBrick(shapeOf({ replica: 3 }), 6)).toBe(false);
    expect(holdsAllOnEachBrick(shapeOf({ replica: 1 }), 1)).toBe(true);
    expect(holdsAllOnEachBrick(shapeOf({ replica: 2, arbiter: 1 }), 3)).toBe(false);
    expect(holdsAllOnEachBrick(shapeOf({ disperse: { data: 2, redundancy: 1 } }), 3)).toBe(false);
  });

  it('takes bricks in their order', () => {
    expect(groupsOf(shapeOf({ replica: 3 }), [1, 2, 3, 4, 5, 6])).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });
});
