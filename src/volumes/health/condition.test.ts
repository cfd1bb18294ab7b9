import { describe, expect, it } from 'vitest';
import { conditionOf } from './condition.js';

describe('conditionOf', () => {
  const record = { limitBytes: 1000n };

  it('has nothing to say of a volume that nothing is wrong with, or nothing is known of', () => {
    expect(conditionOf({ pool: 'p' }).abnormal).toBe(false);
    expect(conditionOf({ pool: 'p', record, used: 949n, pendingHeals: 0 }).abnormal).toBe(false);
    expect(conditionOf({ pool: 'p', record: { limitBytes: 0n }, used: 5n }).abnormal).toBe(false);
  });

  it.each([
    [undefined, 950n, /^95 % of 1000 B are used \(softLimitPercent 95\)/],
    [undefined, 1200n, /^120 % of/],
    [50, 500n, /^50 % of 1000 B are used \(softLimitPercent 50\)/],
  ])('warns from softLimitPercent %j on', (softLimitPercent, used, message) => {
    const condition = conditionOf({ pool: 'p', record: { ...record, softLimitPercent }, used });
    expect(condition).toEqual({ abnormal: true, message: expect.stringMatching(message) as string });
    expect(conditionOf({ pool: 'p', record: { ...record, softLimitPercent: 99 }, used: 989n }).abnormal).toBe(false);
  });

  it('tells everything that is wrong, the worst first', () => {
    const { message } = conditionOf({ pool: 'p', record, used: 999n, problem: 'it burns', pendingHeals: 1 });
    expect(message).toMatch(/^it burns; pool p has 1 entry to heal.*; 99 % of/);
  });
});
