import { describe, expect, it } from 'vitest';
import type { BrickFinding, BrickLabel } from './brick-label.js';
import { planBricks } from './brick-plan.js';
import type { BrickPlanInput } from './brick-plan.js';
import type { PoolIdentity } from './pool-identity.js';

const bricks = ['/b/0', '/b/1', '/b/2'];
const label = (index: number, change: Partial<BrickLabel> = {}): BrickLabel => ({
  pool: 'p',
  index,
  count: 3,
  volumeId: 'id',
  quota: 'gluster',
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

  it.each<[string, readonly BrickFinding[], Partial<BrickPlanInput>, RegExp]>([
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
