import { describe, expect, it } from 'vitest';
import { describeBar, figureOf, isMet, type FigureName } from './figure.js';

const NAME: FigureName = {
  measure: 'create',
  pool: 'directory',
  subject: 'kayal',
  what: 'p50',
  against: 'mkdir',
  unit: 'ms',
};

describe('isMet', () => {
  it.each([
    { bar: { kind: 'at most', times: 1.3, plus: 1 }, value: 14, floor: 10, met: true },
    { bar: { kind: 'at most', times: 1.3, plus: 1 }, value: 14.1, floor: 10, met: false },
    { bar: { kind: 'at most', times: 2 }, value: 20, floor: 10, met: true },
    { bar: { kind: 'at least', times: 0.7 }, value: 6.9, floor: 10, met: false },
    { bar: { kind: 'at least', times: 0.7 }, value: 7, floor: 10, met: true },
    { bar: { kind: 'below', most: 100 }, value: 101, floor: 1, met: false },
    { bar: { kind: 'below', most: 100 }, value: 100, floor: 1000, met: true },
  ] as const)('$value over $floor against $bar: $met', ({ bar, value, floor, met }) => {
    expect(isMet(bar, [{ value, floor }])).toBe(met);
  });

  it('goes by the median round, each with the floor of its own', () => {
    const pairs = [
      { value: 10, floor: 10 },
      { value: 100, floor: 100 },
      { value: 30, floor: 10 },
    ];
    expect(isMet({ kind: 'at most', times: 1 }, pairs)).toBe(true);
    expect(isMet({ kind: 'at most', times: 1 }, [...pairs, { value: 30, floor: 10 }, { value: 30, floor: 10 }])).toBe(
      false,
    );
  });
});

it('a figure has the ratio of each round, not of the medians', () => {
  const figure = figureOf(NAME, [
    { value: 10, floor: 10 },
    { value: 40, floor: 20 },
    { value: 30, floor: 10 },
  ]);
  expect(figure).toMatchObject({ value: 30, floor: 10, ratio: { min: 1, median: 2, max: 3 }, rounds: 3 });
  expect(figure.bar).toBeUndefined();
});

it('no bar is held against a peer', () => {
  const bar = { kind: 'at most', times: 1 } as const;
  expect(figureOf({ ...NAME, subject: 'other' }, [{ value: 9, floor: 1 }], bar).isMet).toBeUndefined();
  expect(figureOf(NAME, [{ value: 9, floor: 1 }], bar).isMet).toBe(false);
});

it('a bar says what it allows', () => {
  expect(describeBar({ kind: 'at most', times: 1.3, plus: 1 }, 'ms')).toBe('≤ 1.3 × floor + 1 ms');
  expect(describeBar({ kind: 'at least', times: 0.7 }, 'per s')).toBe('≥ 0.7 × floor');
  expect(describeBar({ kind: 'below', most: 108 }, 'MiB')).toBe('≤ 108 MiB');
});
