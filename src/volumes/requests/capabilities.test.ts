import { describe, expect, test } from 'vitest';
import type { VolumeCapability__Output } from '../../gen/csi/v1/VolumeCapability.js';
import { parseCapabilities, parseCapability, whyUnsupported } from './capabilities.js';

type Mode = NonNullable<VolumeCapability__Output['access_mode']>['mode'];

function mount(mode: Mode, flags: string[] = [], fsType = ''): VolumeCapability__Output {
  return {
    access_mode: { mode },
    access_type: 'mount',
    mount: { fs_type: fsType, mount_flags: flags, volume_mount_group: '' },
  };
}

const code = (name: string): object => expect.objectContaining({ code: name }) as object;

describe('access modes', () => {
  test.each([
    ['SINGLE_NODE_WRITER', false, false, false],
    ['SINGLE_NODE_READER_ONLY', false, true, false],
    ['SINGLE_NODE_SINGLE_WRITER', true, false, false],
    ['SINGLE_NODE_MULTI_WRITER', false, false, false],
    ['MULTI_NODE_READER_ONLY', false, true, true],
    ['MULTI_NODE_MULTI_WRITER', false, false, true],
  ] as const)('%s: exclusive %s, read-only %s, several nodes %s', (mode, exclusive, readOnly, multiNode) => {
    const access = { mode, kind: 'mount', exclusive, readOnly, multiNode, flags: [] };
    expect(parseCapability(mount(mode))).toEqual(access);
  });

  test('MULTI_NODE_SINGLE_WRITER cannot be kept', () => {
    expect(() => parseCapability(mount('MULTI_NODE_SINGLE_WRITER'))).toThrow(code('INVALID_ARGUMENT'));
    expect(whyUnsupported([mount('MULTI_NODE_SINGLE_WRITER')])).toContain('MULTI_NODE_MULTI_WRITER');
  });

  test('an access mode of a newer spec arrives as a number', () => {
    const capability = mount(99 as unknown as Mode);
    expect(() => parseCapability(capability)).toThrow('access mode 99');
    expect(whyUnsupported([capability])).toContain('99');
  });
});

describe('access type', () => {
  test('block has no mount options', () => {
    const block: VolumeCapability__Output = {
      access_mode: { mode: 'SINGLE_NODE_READER_ONLY' },
      access_type: 'block',
      block: {},
    };
    expect(parseCapability(block)).toMatchObject({ kind: 'block', readOnly: true, flags: [] });
    expect(whyUnsupported([block])).toBeUndefined();
  });

  test('incomplete capabilities are malformed, not just unsupported', () => {
    expect(() => whyUnsupported([{ access_mode: { mode: 'SINGLE_NODE_WRITER' } }])).toThrow(code('INVALID_ARGUMENT'));
    expect(() => whyUnsupported([{ ...mount('UNKNOWN') }])).toThrow('no access mode');
    expect(() => whyUnsupported([{ ...mount('SINGLE_NODE_WRITER'), access_mode: null }])).toThrow('no access mode');
    expect(() => whyUnsupported([])).toThrow('no volume_capabilities');
    expect(() => parseCapability(null)).toThrow('no volume_capability');
    expect(() => parseCapabilities([])).toThrow('no volume_capabilities');
  });
});

describe('mount options', () => {
  test('come out once each, in one order, without ro', () => {
    const access = parseCapability(mount('SINGLE_NODE_WRITER', ['noexec', 'ro', 'nodev,nosuid', 'noexec']));
    expect(access.flags).toEqual(['nosuid', 'nodev', 'noexec']);
    expect(access.readOnly).toBe(true);
  });

  test.each(['suid', 'exec', 'remount', 'bind', 'log-file=/etc/passwd', '', 'context="x"', 'ro\n'.repeat(2)])(
    '%j is refused',
    (option) => {
      expect(() => parseCapability(mount('SINGLE_NODE_WRITER', [option]))).toThrow(code('INVALID_ARGUMENT'));
    },
  );

  test('the value of a refused option is not repeated', () => {
    expect(() => parseCapability(mount('SINGLE_NODE_WRITER', ['password=hunter2']))).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') as string }) as Error,
    );
  });

  test('noatime and relatime contradict each other', () => {
    expect(() => parseCapability(mount('SINGLE_NODE_WRITER', ['noatime', 'relatime']))).toThrow('contradict');
  });
});

describe('fs_type', () => {
  test.each(['', 'ext4', 'xfs', 'glusterfs', 'fuse.glusterfs'])('%j is fine for a directory', (fsType) => {
    expect(whyUnsupported([mount('SINGLE_NODE_WRITER', [], fsType)])).toBeUndefined();
  });

  test('what a filesystem in a file can be is told', () => {
    expect(parseCapability(mount('SINGLE_NODE_WRITER', [], 'xfs')).fsType).toBe('xfs');
    expect(parseCapability(mount('SINGLE_NODE_WRITER', [], 'glusterfs')).fsType).toBeUndefined();
  });

  test.each(['nfs', 'btrfs', 'EXT4'])('%j is refused', (fsType) => {
    expect(() => parseCapability(mount('SINGLE_NODE_WRITER', [], fsType))).toThrow('fsType');
  });
});
