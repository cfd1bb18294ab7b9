import { describe, expect, it } from 'vitest';
import { MiB } from '../../base/units.js';
import { checkName, chooseLimit } from './create.js';

const range = (requiredBytes: bigint, limitBytes = 0n): { requiredBytes: bigint; limitBytes: bigint } => ({
  requiredBytes,
  limitBytes,
});

describe('chooseLimit', () => {
  it.each([
    [range(20n * MiB), 20n * MiB],
    [range(1n), MiB],
    [range(0n), 1024n * MiB],
    [range(0n, 10n * MiB), 10n * MiB],
    [range(MiB + 1n), MiB + 4096n],
    [range(MiB, MiB), MiB],
  ])('gives %o %i bytes', (asked, bytes) => {
    expect(chooseLimit(asked, MiB)).toBe(bytes);
  });

  it.each([
    range(2n * MiB, MiB),
    range(-1n),
    range(0n, -1n),
    range(0n, 4096n),
    range(MiB + 1n, MiB + 2n),
    range(1n << 62n),
  ])('refuses %o', (asked) => {
    expect(() => chooseLimit(asked, MiB)).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE' }) as Error);
  });
});

describe('checkName', () => {
  it.each(['a', 'x'.repeat(128), 'ünïcode', '..', 'a/b'])('accepts %j', (name) => {
    expect(() => checkName(name)).not.toThrow();
  });
  it.each(['', 'x'.repeat(129), 'a\u0000b', 'a\nb'])('refuses %j', (name) => {
    expect(() => checkName(name)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }) as Error);
  });
});
