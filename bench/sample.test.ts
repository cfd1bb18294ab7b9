import { describe, expect, it } from 'vitest';
import { median, p50, p99, quantile, rate, spreadOf } from './sample.js';

describe('quantile', () => {
  it('is a value that was measured, whatever the order', () => {
    expect(quantile([3, 1, 2], 0.5)).toBe(2);
    expect(quantile([4, 3, 2, 1], 0.5)).toBe(2);
    expect(quantile([7], 0.99)).toBe(7);
    expect(quantile([1, 2], 0)).toBe(1);
  });

  it('has the hundredth of a hundred values above the 99th', () => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(quantile(values, 0.99)).toBe(99);
    expect(quantile(values, 1)).toBe(100);
  });

  it('needs a value', () => {
    expect(() => quantile([], 0.5)).toThrow(RangeError);
    expect(() => median([])).toThrow(RangeError);
    expect(() => spreadOf([])).toThrow(RangeError);
  });
});

it('a median of an even number of values lies between two of them', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(spreadOf([4, 1, 3])).toEqual({ min: 1, median: 3, max: 4 });
});

it('a sample tells percentiles and calls per second', () => {
  const sample = { times: [1, 2, 3, 4], seconds: 2 };
  expect([p50(sample), p99(sample), rate(sample)]).toEqual([2, 4, 2]);
});
