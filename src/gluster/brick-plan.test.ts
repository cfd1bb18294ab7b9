import { describe, expect, it } from 'vitest';
import type { BrickFinding, BrickLabel } from './brick-label.js';
import { planBricks } from './brick-plan.js';
import type { BrickPlan, BrickPlanInput } from './brick-plan.js';
import type { PoolIdentity } from './pool-identity.js';
import { describeShape, shapeOf, type GroupWish } from './volfile/group-shape.js';

const bricks = ['/b/0', '/b/1', '/b/2'];
const label = (index: number, change: Partial<BrickLabel> = {}): BrickLabel => ({
  pool: 'p',
  index,
  count: 3,
  volumeId: 'id',
  quota: 'gluster',
  layout: 'replica 3',
  ...change,
});
const own = (index: number, hasData = true, change: Partial<BrickLabel> = {}): BrickFinding => ({
  kind: 'labelled',
  label: label(index, change),
  hasData,
});
const empty: BrickFinding = { kind: 'empty' };
const absent: BrickFinding = { kind: 'absent' };
const identity: PoolIdentity = {
  formatVersion: 1,
  pool: 'p',
  volumeId: 'id',
  quota: 'gluster',
  state: 'ready',
  credentials: { username: 'u', password: 'p' },
  bricks: bricks.map((_, index) => ({ port: 24_100 + index, sharedBy: 1 })),
};
const plan = (findings: readonly BrickFinding[], change: Partial<BrickPlanInput> = {}): ReturnType<typeof planBricks> =>
  planBricks({
    pool: 'p',
    quota: 'gluster',
    shape: shapeOf({ replica: findings.length === 1 ? 1 : 3 }),
    bricks: bricks.slice(0, findings.length),
    findings,
    identity: undefined,
    ...change,
  });

describe('planBricks', () => {
  it('makes the bricks of a new pool, whether their directories are there or not', () => {
    expect(plan([empty, absent, absent])).toEqual({ volumeId: undefined, steps: ['make', 'make', 'make'] });
  });

  it('finishes a pool whose making was interrupted', () => {
    expect(plan([own(0, false), empty, absent])).toEqual({ volumeId: 'id', steps: ['use', 'make', 'make'] });
    expect(plan([own(0, false), absent, absent], { identity: { ...identity, state: 'creating' } }).steps).toEqual([
      'use',
      'make',
      'make',
    ]);
  });

  it('knows a pool by its bricks alone', () => {
    expect(plan([own(0), own(1), own(2)])).toEqual({ volumeId: 'id', steps: ['use', 'use', 'use'] });
  });

  it.each([empty, absent, { kind: 'no-parent' } as const, { kind: 'unreadable', reason: 'EIO' } as const])(
    'never makes a brick anew where data was, but goes on without it (%j)',
    (finding) => {
      for (const known of [identity, undefined]) {
        expect(plan([own(0), own(1), finding], { identity: known }).steps).toEqual([
          'use',
          'use',
          { missing: expect.stringContaining('/b/2') as string },
        ]);
      }
    },
  );

  it('is unavailable without a majority', () => {
    expect(() => plan([own(0), empty, empty], { identity })).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
    expect(() => plan([empty, empty, empty], { identity })).toThrow(/is its disk mounted/);
    const one: PoolIdentity = { ...identity, bricks: identity.bricks.slice(0, 1) };
    expect(() => plan([absent], { identity: one })).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
    expect(() => plan([empty, empty, { kind: 'unreadable', reason: 'EIO' }])).toThrow(
      expect.objectContaining({ code: 'UNAVAILABLE' }),
    );
  });

  it('needs enough bricks of every group, as many as its kind takes', () => {
    const six = Array.from({ length: 6 }, (_, index) => `/b/${index}`);
    const stepsWithout = (wish: GroupWish, missing: readonly number[]): BrickPlan['steps'] => {
      const shape = shapeOf(wish);
      const made = { count: 6, layout: describeShape(shape) };
      const findings = six.map((_, index) => (missing.includes(index) ? absent : own(index, true, made)));
      return plan(findings, { bricks: six, shape }).steps;
    };
    const refused = expect.objectContaining({ code: 'UNAVAILABLE' }) as Error;
    expect(stepsWithout({ replica: 3 }, [0, 5])).toHaveLength(6);
    expect(() => stepsWithout({ replica: 3 }, [0, 1])).toThrow(refused);
    expect(stepsWithout({ replica: 2, arbiter: 1 }, [2, 3])).toHaveLength(6);
    expect(stepsWithout({ disperse: { data: 4, redundancy: 2 } }, [0, 1])).toHaveLength(6);
    expect(() => stepsWithout({ disperse: { data: 4, redundancy: 2 } }, [0, 1, 2])).toThrow(refused);
    expect(() => stepsWithout({ replica: 1 }, [5])).toThrow(refused);
  });

  it.each<[string, readonly BrickFinding[], Partial<BrickPlanInput>, RegExp]>([
    [
      'another layout',
      [own(0), own(1), own(2)],
      { shape: shapeOf({ replica: 2, arbiter: 1 }) },
      /\/b\/0 was made for replica 3, which cannot be changed to replica 2 arbiter 1/,
    ],
    [
      'another layout in the state',
      [empty, empty, empty],
      { identity, shape: shapeOf({ disperse: { data: 2, redundancy: 1 } }) },
      /was made for replica 3, which cannot be changed to disperse-data 2 redundancy 1/,
    ],
    [
      'another layout in a state that records it',
      [own(0), own(1), own(2)],
      { identity: { ...identity, layout: 'replica 1' } },
      /was made for replica 1, which cannot be changed to replica 3/,
    ],
    ['bricks in another order', [own(1), own(0), own(2)], {}, /\/b\/0 is brick 1 .* put the bricks back/],
    ['a brick of another pool', [own(0, true, { pool: 'q' }), own(1), own(2)], {}, /brick of pool q/],
    ['a namesake', [own(0), own(1), own(2)], { identity: { ...identity, volumeId: 'other' } }, /another pool/],
    ['bricks of two namesakes', [own(0), own(1, true, { volumeId: 'other' }), own(2)], {}, /different pools/],
    ['another number of bricks', [own(0)], {}, /pool of 3 bricks/],
    ['another number of bricks in the state', [empty], { identity }, /was made with 3 bricks/],
    [
      'another quota',
      [own(0), own(1), own(2)],
      { quota: 'simple' },
      /quota gluster, which cannot be changed to simple/,
    ],
    ['another quota in the state', [empty, empty, empty], { identity, quota: 'none' }, /cannot be changed to none/],
    ['something else', [{ kind: 'foreign', what: 'files' }, empty, empty], {}, /holds files/],
    ['no parent', [{ kind: 'no-parent' }, empty, empty], {}, /parent directory/],
    ['the state of another pool', [empty, empty, empty], { identity: { ...identity, pool: 'q' } }, /belongs to pool q/],
  ])('refuses %s', (_, findings, change, message) => {
    expect(() => plan(findings, change)).toThrow(
      expect.objectContaining({ code: 'FAILED_PRECONDITION', message: expect.stringMatching(message) as string }),
    );
  });
});
