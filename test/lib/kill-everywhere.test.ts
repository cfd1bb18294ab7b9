import { describe, expect, it } from 'vitest';
import { choosePoints, commonPasses } from './kill-everywhere.js';

const trace = (text: string): string[] =>
  text.split(' ').flatMap((name) => [`${name}@x.js:1:1/before`, `${name}@x.js:1:1/after`]);
const names = (points: readonly { readonly point: string; readonly pass: number }[]): string[] =>
  points.map(({ point, pass }) => `${point.replace('@x.js:1:1', '')} ${pass}`);

describe('commonPasses', () => {
  it('leaves out what the background did in one of two runs', () => {
    expect(names(commonPasses(trace('a b a'), trace('a renew a b a')))).toEqual(
      names(commonPasses(trace('a b a'), trace('a a b'))),
    );
    expect(commonPasses(trace('a'), trace('b'))).toEqual([]);
  });
});

describe('choosePoints', () => {
  const passes = commonPasses(trace('a b c a b d'), trace('a b c a b d'));

  it('visits the point before each call, and the last one after it', () => {
    const all = ['a/before 1', 'b/before 1', 'c/before 1', 'a/before 2', 'b/before 2', 'd/before 1', 'd/after 1'];
    expect(names(choosePoints(passes, Number.POSITIVE_INFINITY, new Set()))).toEqual(all);
  });

  it('spreads fewer over all, and adds sites that are new', () => {
    expect(names(choosePoints(passes, 2, new Set()))).toEqual(['a/before 1', 'a/before 2', 'd/after 1']);
    const wanted = new Set(['c@x.js:1:1/before', 'd@x.js:1:1/before']);
    expect(names(choosePoints(passes, 2, wanted))).toEqual([
      'a/before 1',
      'c/before 1',
      'a/before 2',
      'd/before 1',
      'd/after 1',
    ]);
  });
});
