import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SortedIds } from './sorted-ids.js';

const many = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `v${index}`);

describe('SortedIds', () => {
  it('is what sorting would give, after any changes, looked at at any time', () => {
    const id = fc.string({ minLength: 1, maxLength: 3 });
    const step = fc.oneof(
      fc.record({ add: id }),
      fc.record({ remove: id }),
      fc.constant('look' as const),
      fc.constant('add many' as const),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const ids = new SortedIds();
        const expected = new Set<string>();
        for (const now of steps) {
          if (now === 'look') expect(ids.all()).toEqual([...expected].sort());
          else if (now === 'add many') {
            for (const one of many(100)) {
              ids.add(one);
              expected.add(one);
            }
          } else if ('add' in now) {
            ids.add(now.add);
            expected.add(now.add);
          } else {
            ids.remove(now.remove);
            expected.delete(now.remove);
          }
        }
        expect(ids.all()).toEqual([...expected].sort());
      }),
    );
  });

  it('leaves alone what it gave', () => {
    const ids = new SortedIds();
    for (const id of ['c', 'a']) ids.add(id);
    const before = ids.all();
    ids.add('b');
    ids.remove('c');
    expect(ids.all()).toEqual(['a', 'b']);
    expect(before).toEqual(['a', 'c']);
    expect(ids.all()).toBe(ids.all());
  });
});
