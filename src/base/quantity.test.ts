import { expect, it } from 'vitest';
import { parseQuantity } from './quantity.js';

it.each([
  ['1073741824', 1n << 30n],
  ['64Mi', 64n << 20n],
  ['1.5Gi', 3n << 29n],
  ['500M', 500_000_000n],
  ['0.1', 1n],
  ['2Ei', 1n << 61n],
])('%s are %i bytes', (text, bytes) => {
  expect(parseQuantity(text)).toBe(bytes);
});

it.each(['', '0', '0Gi', '-1', '+1', '1e3', '100m', '1 Gi', '1GiB', '1gi', '.5Gi', '1.Gi', 'Gi', '8Ei', 'x'])(
  '%j is no amount of bytes',
  (text) => {
    expect(parseQuantity(text)).toBeUndefined();
  },
);
