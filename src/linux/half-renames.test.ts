import { describe, expect, it } from 'vitest';
import { halfRenamed, type RenameState } from './half-renames.js';

/** One letter per brick: `f`rom, `t`o, `b`oth, `-` neither or away. */
const states = (text: string): RenameState[] =>
  text.split('').map((letter) => ({ from: 'fb'.includes(letter), to: 'tb'.includes(letter) }));

describe('halfRenamed', () => {
  it.each([
    ['one brick of three has renamed', 'tff', 3, 2, [0]],
    ['one has, one is away', 'tf-', 3, 2, [0]],
    ['two of three have: the third is healed', 'ttf', 3, 2, []],
    ['none has', 'fff', 3, 2, []],
    ['all have', 'ttt', 3, 2, []],
    ['nobody has the old name, so nobody refused', 't--', 3, 2, []],
    ['the only brick has', 't', 1, 1, []],
    ['three of six fragments have, four are needed', 'tttfff', 6, 4, [0, 1, 2]],
    ['four of six fragments have', 'ttttff', 6, 4, []],
    ['a group has, the other has not', 'tttfff', 3, 2, [0, 1, 2]],
    ['a group has, of the other one brick', 'tttfft', 3, 2, [0, 1, 2, 5]],
    ['both groups have, each but for one brick', 'ttfftt', 3, 2, []],
    ['one of two single bricks has', 'tf', 1, 1, [0]],
  ] as const)('%s (%s)', (_, text, groupSize, needed, undone) => {
    expect(halfRenamed(states(text), { groupSize, needed })).toEqual(undone);
  });
});
