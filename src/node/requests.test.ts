import { describe, expect, test } from 'vitest';
import type { Config } from '../pools/types.js';
import { normalise, poolOfHandle, requirePath, requireVolumeId } from './requests.js';

const code = (name: string): Error => expect.objectContaining({ code: name }) as Error;

describe('paths of the CO', () => {
  test.each(['', 'some/path', '/a/../b', '/a\0b', '/', '//', `/${'x'.repeat(4096)}`])('%j is refused', (path) => {
    expect(() => requirePath(path, 'target_path')).toThrow(code('INVALID_ARGUMENT'));
  });

  test('are normalised', () => {
    expect(requirePath('/a//b/./c/', 'target_path')).toBe('/a/b/c');
    expect(normalise('/')).toBe('/');
  });

  test('name their field', () => {
    expect(() => requirePath('', 'staging_target_path')).toThrow('no staging_target_path');
  });
});

test('a volume id is required', () => {
  expect(() => requireVolumeId('')).toThrow(code('INVALID_ARGUMENT'));
  expect(requireVolumeId('p/a')).toBe('p/a');
});

describe('handles', () => {
  const pool = {
    type: 'directory',
    name: 'lagoon',
    path: '/srv',
    shared: true,
    requireMount: true,
    quota: 'none',
    overcommit: 1,
    staticOnly: false,
  } as const;
  const config: Config = { installation: 'test', pools: [pool] };

  test('give their pool', () => {
    expect(poolOfHandle(config, 'lagoon/pvc-1')).toEqual({ pool, rest: 'pvc-1' });
    expect(poolOfHandle(config, 'lagoon/my/own/name')).toEqual({ pool, rest: 'my/own/name' });
  });

  test.each(['', 'x', '/x', 'lagoon', 'lagoon/', 'other/x', '../x', `lagoon/${'x'.repeat(128)}`, 'lagoon\0/x', '水/x'])(
    '%j is no volume',
    (handle) => {
      expect(() => poolOfHandle(config, handle)).toThrow(code('NOT_FOUND'));
    },
  );
});
