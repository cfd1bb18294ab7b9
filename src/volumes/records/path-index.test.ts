import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PathIndex } from './path-index.js';

const contains = (a: string, b: string): boolean => b === a || b.startsWith(`${a}/`);

describe('PathIndex', () => {
  it('finds a volume at, above and below a path, and nothing beside it', () => {
    const index = new PathIndex();
    index.add('a/b', 'v');
    expect(index.conflict('a/b')).toBe('v');
    expect(index.conflict('a/b/c')).toBe('v');
    expect(index.conflict('a')).toBe('v');
    expect(index.conflict('a/bc')).toBeUndefined();
    index.remove('a/b');
    expect(index.conflict('a')).toBeUndefined();
  });

  it('agrees with comparing every path, whatever is added and removed', () => {
    const path = fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join('/'));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), path), { maxLength: 30 }), path, (steps, asked) => {
        const index = new PathIndex();
        const all = new Set<string>();
        for (const [add, at] of steps) {
          if (add) {
            index.add(at, at);
            all.add(at);
          } else {
            index.remove(at);
            all.delete(at);
          }
        }
        const expected = [...all].some((at) => contains(at, asked) || contains(asked, at));
        expect(index.conflict(asked) !== undefined).toBe(expected);
      }),
    );
  });
});
