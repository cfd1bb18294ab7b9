import { describe, expect, test } from 'vitest';
import { MiB } from '../../base/units.js';
import type { VolumeAccess } from './capabilities.js';
import { chooseShape, minimumBytesOf, whyNotShape } from './volume-shape.js';

const access = (fields: Partial<VolumeAccess> = {}): VolumeAccess => ({
  mode: 'SINGLE_NODE_WRITER',
  kind: 'mount',
  multiNode: false,
  exclusive: false,
  readOnly: false,
  flags: [],
  ...fields,
});
const invalid = (text: string): Error =>
  expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(text) as string }) as Error;
const shared = access({ mode: 'MULTI_NODE_MULTI_WRITER', multiNode: true });

describe('chooseShape', () => {
  test('a mount is a directory unless the class says file; block is block whatever it says', () => {
    expect(chooseShape({ volumeType: 'directory' }, [access({ fsType: 'xfs' }), shared])).toEqual({
      type: 'directory',
    });
    expect(chooseShape({ volumeType: 'file' }, [access()])).toEqual({ type: 'file', fsType: undefined });
    expect(chooseShape({ volumeType: 'file', fsType: 'xfs' }, [access({ kind: 'block' })])).toEqual({ type: 'block' });
  });

  test('the filesystem comes from the class, else from the capability', () => {
    expect(chooseShape({ volumeType: 'file' }, [access({ fsType: 'xfs' })])).toEqual({ type: 'file', fsType: 'xfs' });
    expect(chooseShape({ volumeType: 'file', fsType: 'ext4' }, [access()])).toEqual({ type: 'file', fsType: 'ext4' });
    expect(() => chooseShape({ volumeType: 'file', fsType: 'ext4' }, [access({ fsType: 'xfs' })])).toThrow(
      invalid("xfs is asked for, the volume's is ext4"),
    );
    const both = [access({ fsType: 'ext4' }), access({ fsType: 'xfs' })];
    expect(() => chooseShape({ volumeType: 'file' }, both)).toThrow(invalid('fsType xfs'));
    expect(() => chooseShape({ volumeType: 'directory', fsType: 'xfs' }, [access()])).toThrow(
      invalid('volumeType: file'),
    );
  });

  test('a hybrid volume is ext4, mounted, and may be asked for by several nodes', () => {
    expect(chooseShape({ volumeType: 'hybrid' }, [shared])).toEqual({ type: 'hybrid', fsType: 'ext4' });
    expect(() => chooseShape({ volumeType: 'hybrid', fsType: 'xfs' }, [access()])).toThrow(invalid('is ext4'));
    expect(() => chooseShape({ volumeType: 'hybrid' }, [access({ fsType: 'xfs' })])).toThrow(invalid('is ext4'));
    expect(() => chooseShape({ volumeType: 'hybrid' }, [access({ kind: 'block' })])).toThrow(invalid('Filesystem'));
  });

  test('one node at a time, and one kind of access', () => {
    expect(() => chooseShape({ volumeType: 'file' }, [shared])).toThrow(invalid('one node at a time'));
    expect(() => chooseShape({ volumeType: 'directory' }, [{ ...shared, kind: 'block' }])).toThrow(invalid('one node'));
    expect(() => chooseShape({ volumeType: 'file' }, [access(), access({ kind: 'block' })])).toThrow(
      invalid('a volume is one of them'),
    );
  });
});

test('a volume is used as what it is', () => {
  expect(whyNotShape({ type: 'directory' }, [shared])).toBeUndefined();
  expect(whyNotShape({ type: 'directory' }, [access({ kind: 'block' })])).toContain('volumeMode: Block');
  expect(whyNotShape({ type: 'block' }, [access()])).toContain('a mount is asked for');
  expect(whyNotShape({ type: 'file', fsType: 'ext4' }, [access({ fsType: 'xfs' })])).toContain('ext4');
});

test('the smallest volume is what its filesystem needs', () => {
  expect(minimumBytesOf({ type: 'directory' }, MiB)).toBe(MiB);
  expect(minimumBytesOf({ type: 'block' }, MiB)).toBe(MiB);
  expect(minimumBytesOf({ type: 'hybrid', fsType: 'ext4' }, MiB)).toBe(16n * MiB);
  expect(minimumBytesOf({ type: 'file' }, MiB)).toBe(16n * MiB);
  expect(minimumBytesOf({ type: 'file', fsType: 'xfs' }, MiB)).toBe(300n * MiB);
  expect(minimumBytesOf({ type: 'file', fsType: 'xfs' }, 1024n * MiB)).toBe(1024n * MiB);
});
