import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changedRanges, type Extent } from './extents.js';

const BLOCKS = 24;

/** A file as the physical block of each of its blocks; 0: a hole. */
function extentsOf(blocks: readonly number[]): Extent[] {
  const extents: Extent[] = [];
  for (const [index, physical] of blocks.entries()) {
    if (physical === 0) continue;
    const last = extents.at(-1);
    if (last !== undefined && last.offset + last.length === index && last.physical + last.length === physical) {
      extents[extents.length - 1] = { ...last, length: last.length + 1 };
    } else extents.push({ offset: index, length: 1, physical });
  }
  return extents;
}

const file = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: BLOCKS, maxLength: BLOCKS });

describe('what changed between two reflinked files', () => {
  it('is what has other blocks, or none any more', () => {
    const before = extentsOf([1, 2, 3, 0, 0, 6, 7]);
    expect(changedRanges(before, extentsOf([1, 20, 21, 0, 5, 0, 7]))).toEqual([
      { offset: 1, length: 2, zero: false },
      { offset: 4, length: 1, zero: false },
      { offset: 5, length: 1, zero: true },
    ]);
    expect(changedRanges(before, before)).toEqual([]);
    expect(changedRanges([], before)).toEqual([
      { offset: 0, length: 3, zero: false },
      { offset: 5, length: 2, zero: false },
    ]);
  });

  it('is each block whose place differs, and no other, in order and without overlap', () => {
    fc.assert(
      fc.property(file, file, (before, after) => {
        const ranges = changedRanges(extentsOf(before), extentsOf(after));
        const told = Array.from({ length: BLOCKS }, () => 'same');
        let reached = 0;
        for (const { offset, length, zero } of ranges) {
          expect(offset).toBeGreaterThanOrEqual(reached);
          reached = offset + length;
          told.fill(zero ? 'zero' : 'data', offset, reached);
        }
        const wanted = after.map((now, index) => (now === before[index] ? 'same' : now === 0 ? 'zero' : 'data'));
        expect(told).toEqual(wanted);
      }),
    );
  });
});
