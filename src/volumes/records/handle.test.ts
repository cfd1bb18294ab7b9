import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketOf, formatHandle, isVolumeId, parseHandle, volumeIdOf } from './handle.js';

describe('volumeIdOf', () => {
  it('keeps the names that external-provisioner gives', () => {
    const name = 'pvc-444c337a-f130-4551-a30e-6f5106f2eda6';
    expect(volumeIdOf(name)).toBe(name);
  });

  it.each(['..', '.', '/', 'a/b', '../../etc', 'ü'.repeat(40), 'x'.repeat(128), ' ', '-a', 'a-', 'a..b', '\u0000'])(
    'makes a safe id of %j',
    (name) => {
      expect(isVolumeId(volumeIdOf(name))).toBe(true);
    },
  );

  it('gives a handle of at most 128 bytes that parses back, for any name and the longest pool name', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 128, unit: 'binary' }), (name) => {
        const handle = formatHandle({ pool: 'p'.repeat(63), id: volumeIdOf(name) });
        expect(Buffer.byteLength(handle)).toBeLessThanOrEqual(128);
        expect(parseHandle(handle)).toEqual({ pool: 'p'.repeat(63), id: volumeIdOf(name) });
      }),
    );
  });

  it('never gives a long name the id of the short name that looks like its id', () => {
    const long = 'x'.repeat(100);
    expect(volumeIdOf(volumeIdOf(long))).not.toBe(volumeIdOf(long));
  });
});

describe('parseHandle', () => {
  it.each([
    '',
    'pool',
    'pool/',
    '/id',
    'pool/../x',
    'pool/a/b',
    'Pool/a',
    'pool/.kayal',
    'pool/a\u0000',
    `p/${'a'.repeat(65)}`,
  ])('refuses %j', (handle) => {
    expect(parseHandle(handle)).toBeUndefined();
  });
});

describe('bucketOf', () => {
  it('is two hex digits and does not change: records of released versions lie there', () => {
    expect(bucketOf('pvc-444c337a-f130-4551-a30e-6f5106f2eda6')).toBe('36');
  });
});
