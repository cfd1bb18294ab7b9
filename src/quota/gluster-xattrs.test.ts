import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeLimit, decodeSize, encodeLimit } from './gluster-xattrs.js';

describe('the limit attribute', () => {
  it('is two big-endian numbers', () => {
    expect(encodeLimit(20n << 20n, -1).toString('hex')).toBe('0000000001400000ffffffffffffffff');
    expect(encodeLimit(1n << 30n, 50).toString('hex')).toBe('00000000400000000000000000000032');
  });

  it('is read back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: (1n << 63n) - 1n }), (limit) => {
        expect(decodeLimit(encodeLimit(limit, -1))).toBe(limit);
      }),
    );
  });

  it.each([undefined, Buffer.alloc(0), Buffer.from('true'), Buffer.alloc(16), Buffer.alloc(16, 0xff)])(
    'is no limit: %s',
    (value) => {
      expect(decodeLimit(value)).toBeUndefined();
    },
  );
});

describe('the size attribute', () => {
  it('holds bytes, files and directories', () => {
    const value = Buffer.from('000000000140000000000000000000030000000000000001', 'hex');
    expect(decodeSize(value)).toEqual({ bytes: 20n << 20n, files: 3n, directories: 1n });
  });

  it('of the time before inodes were counted is not understood', () => {
    expect(decodeSize(Buffer.alloc(8))).toBeUndefined();
  });
});
