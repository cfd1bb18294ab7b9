import { describe, expect, it } from 'vitest';
import { GiB, MiB } from '../base/units.js';
import { showsLimit } from './shown-limit.js';

describe('showsLimit', () => {
  const blockSize = 4096n;

  it.each([
    ['the limit itself', 20n * MiB, 20n * MiB],
    ['rounded down to blocks, as features/quota does', 20n * MiB, 20n * MiB + 4095n],
    ['and a block more, as simple-quota does', 20n * MiB + 4096n, 20n * MiB],
  ])('accepts %s', (_, total, limit) => {
    expect(showsLimit({ total, blockSize }, limit)).toBe(true);
  });

  it.each([
    ['the size of the pool', 100n * GiB, 20n * MiB],
    ['the limit before an expansion', 20n * MiB, 24n * MiB],
    ['two blocks more', 20n * MiB + 8192n, 20n * MiB],
    ['a block less', 20n * MiB - 4096n, 20n * MiB],
  ])('refuses %s', (_, total, limit) => {
    expect(showsLimit({ total, blockSize }, limit)).toBe(false);
  });
});
