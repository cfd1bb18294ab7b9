import { describe, expect, test } from 'vitest';
import type { MountEntry } from '../linux/mountinfo.js';
import { isBeneath, isBindOfPool, isOfFormerClient, locate, rootOf } from './mount-location.js';

function entry(fields: Partial<MountEntry>): MountEntry {
  return {
    id: 1,
    parent: 0,
    dev: '8:1',
    root: '/',
    target: '/',
    options: ['rw'],
    optional: [],
    fsType: 'ext4',
    source: '/dev/sda1',
    superOptions: [],
    ...fields,
  };
}

const root = entry({});
const srv = entry({ dev: '8:2', target: '/srv' });
const bound = entry({ dev: '8:2', root: '/pools/a', target: '/data/a' });

test('isBeneath compares whole components', () => {
  expect(isBeneath('/a/b', '/a')).toBe(true);
  expect(isBeneath('/a', '/a')).toBe(true);
  expect(isBeneath('/ab', '/a')).toBe(false);
  expect(isBeneath('/a', '/')).toBe(true);
});

describe('locate', () => {
  test('takes the longest mount point', () => {
    expect(locate([root, srv], '/srv/pool')).toMatchObject({ dev: '8:2', target: '/srv', root: '/pool' });
    expect(locate([srv, root], '/srv2')).toMatchObject({ dev: '8:1', target: '/', root: '/srv2' });
  });

  test('takes the top of stacked mounts', () => {
    expect(locate([root, srv, entry({ dev: '0:50', target: '/srv' })], '/srv')).toMatchObject({ dev: '0:50' });
  });

  test('adds the root of a bind mount', () => {
    expect(locate([root, bound], '/data/a/sub')).toMatchObject({ root: '/pools/a/sub' });
    expect(locate([root, bound], '/data/a')).toMatchObject({ root: '/pools/a' });
  });

  test('knows nothing without mounts', () => {
    expect(locate([], '/srv')).toBeUndefined();
  });
});

describe('mounts of a pool', () => {
  const location = locate([root, srv], '/srv/pool');
  if (location === undefined) throw new Error('no location');

  test('rootOf joins', () => {
    expect(rootOf(location, 'volumes/ab/x')).toBe('/pool/volumes/ab/x');
    expect(rootOf(location, '.')).toBe('/pool');
  });

  test('binds of the pool are told from its own mount and from its neighbours', () => {
    expect(isBindOfPool(entry({ dev: '8:2', root: '/pool/volumes/ab/x', target: '/t' }), location)).toBe(true);
    expect(isBindOfPool(entry({ dev: '8:2', root: '/pool2/x', target: '/t' }), location)).toBe(false);
    expect(isBindOfPool(entry({ dev: '8:3', root: '/pool/x', target: '/t' }), location)).toBe(false);
    expect(isBindOfPool(srv, location)).toBe(false);
  });

  test('a mount of a former client has the source and another device', () => {
    const fuse = { fsType: 'fuse.glusterfs', source: '/run/client.vol' };
    const client = locate([root, entry({ ...fuse, dev: '0:60', target: '/m' })], '/m');
    if (client === undefined) throw new Error('no location');
    expect(isOfFormerClient(entry({ ...fuse, dev: '0:55', root: '/volumes/x', target: '/t' }), client)).toBe(true);
    expect(isOfFormerClient(entry({ ...fuse, dev: '0:60', root: '/volumes/x', target: '/t' }), client)).toBe(false);
    expect(isOfFormerClient(entry({ ...fuse, source: 'h:/other', dev: '0:55' }), client)).toBe(false);
    expect(isOfFormerClient(entry({ dev: '8:9' }), location)).toBe(false);
  });
});
