import { describe, expect, test } from 'vitest';
import type { Tree } from '../../linux/tree.js';
import type { PoolConfig } from '../../pools/types.js';
import { checkStaticVolume, parseStaticVolume } from './static-volume.js';

const pool: PoolConfig = {
  type: 'directory',
  name: 'lagoon',
  path: '/srv',
  shared: true,
  requireMount: true,
  quota: 'none',
  overcommit: 1,
  staticOnly: false,
};
const staticOnly: PoolConfig = { ...pool, staticOnly: true };
const code = (name: string): Error => expect.objectContaining({ code: name }) as Error;

describe('attributes', () => {
  test('without a path it is no static volume', () => {
    expect(parseStaticVolume(pool, { pool: 'lagoon' })).toBeUndefined();
  });

  test('a path, with and without a size', () => {
    expect(parseStaticVolume(pool, { path: 'team/data' })).toEqual({ path: 'team/data' });
    expect(parseStaticVolume(pool, { path: 'team', size: '1048576' })).toEqual({ path: 'team', size: 1_048_576n });
    expect(parseStaticVolume(pool, { path: 'team', size: '20Gi' })).toEqual({ path: 'team', size: 20n << 30n });
  });

  test.each([
    '',
    '/',
    '/abs',
    'a/',
    'a//b',
    './a',
    '..',
    'a/../b',
    '.kayal',
    '.kayal/volumes',
    '.meta',
    '.glusterfs/x',
    'volumes',
    'volumes/ab/pvc-1',
    'a\0b',
    'x'.repeat(256),
    '.',
  ])('path %j is refused', (path) => {
    expect(() => parseStaticVolume(pool, { path })).toThrow(code('INVALID_ARGUMENT'));
  });

  test.each(['0', '-1', '1.5Gi', '10G', '', '9223372036854775808', '9999999999Ti', 'all'])(
    'size %j is refused',
    (size) => {
      expect(() => parseStaticVolume(pool, { path: 'a', size })).toThrow(code('INVALID_ARGUMENT'));
    },
  );

  test('a static-only pool may have volumes of its own, the whole of it, and no sizes', () => {
    expect(parseStaticVolume(staticOnly, { path: '.' })).toEqual({ path: '.' });
    expect(parseStaticVolume(staticOnly, { path: 'volumes/mine' })).toEqual({ path: 'volumes/mine' });
    expect(() => parseStaticVolume(staticOnly, { path: '.meta/graphs' })).toThrow(code('INVALID_ARGUMENT'));
    expect(() => parseStaticVolume(staticOnly, { path: 'volumes/../x' })).toThrow(code('INVALID_ARGUMENT'));
    expect(() => parseStaticVolume(staticOnly, { path: 'a', size: '1Gi' })).toThrow('static-only');
  });
});

describe('the directory', () => {
  /** A tree that knows these paths; those that end in a slash are directories. */
  function treeOf(...paths: string[]): Tree {
    return {
      stat: (path: string) => {
        if (paths.includes(`${path}/`)) return Promise.resolve({ type: 'directory' });
        return Promise.resolve(paths.includes(path) ? { type: 'file' } : undefined);
      },
    } as unknown as Tree;
  }

  test('is there', async () => {
    await expect(checkStaticVolume(treeOf('a/b/'), pool, { path: 'a/b' })).resolves.toBeUndefined();
  });

  test('is missing, or no directory', async () => {
    await expect(checkStaticVolume(treeOf(), pool, { path: 'a' })).rejects.toThrow(code('NOT_FOUND'));
    await expect(checkStaticVolume(treeOf('a'), pool, { path: 'a' })).rejects.toThrow('not a directory but a file');
  });

  test('lies inside a volume', async () => {
    const tree = treeOf('a/b/c/', '.kayal/paths/a/', '.kayal/paths/a/b/', '.kayal/paths/a/b/.volume');
    await expect(checkStaticVolume(tree, pool, { path: 'a/b/c' })).rejects.toThrow('inside another volume, at a/b');
  });

  test('is a volume, or lies above one', async () => {
    const tree = treeOf('a/', 'a/b/', '.kayal/paths/a/', '.kayal/paths/a/b/', '.kayal/paths/a/b/.volume');
    await expect(checkStaticVolume(tree, pool, { path: 'a/b' })).rejects.toThrow(code('INVALID_ARGUMENT'));
    await expect(checkStaticVolume(tree, pool, { path: 'a' })).rejects.toThrow(code('INVALID_ARGUMENT'));
    await expect(checkStaticVolume(treeOf('a/c/', '.kayal/paths/a/'), pool, { path: 'a/c' })).resolves.toBeUndefined();
  });

  test('is the whole pool, which must show neither records nor credentials', async () => {
    await expect(checkStaticVolume(treeOf(), staticOnly, { path: '.' })).resolves.toBeUndefined();
    await expect(checkStaticVolume(treeOf('.kayal/'), staticOnly, { path: '.' })).rejects.toThrow('.kayal');
    await expect(checkStaticVolume(treeOf('.meta/'), staticOnly, { path: '.' })).rejects.toThrow('.meta');
  });
});
