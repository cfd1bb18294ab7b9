import { describe, expect, it } from 'vitest';
import { brickVolfile } from './brick.js';
import type { PoolLayout } from './layout.js';
import { parseVolfile } from './parse.js';
import type { VolfileVolume } from './parse.js';
import { testGroup, testLayout } from './test-layouts.js';

function graphOf(layout: PoolLayout, index: number): VolfileVolume[] {
  return parseVolfile(brickVolfile({ layout, index, markerTimestamp: '/state/marker' }));
}
const types = (volumes: readonly VolfileVolume[]): string[] => volumes.map(({ type }) => type);
const optionsOf = (volumes: readonly VolfileVolume[], type: string): VolfileVolume['options'] | undefined =>
  volumes.find((volume) => volume.type === type)?.options;

const PLAIN = ['storage/posix', 'features/access-control', 'features/locks', 'performance/io-threads'];
const TOP = ['debug/io-stats', 'protocol/server'];

describe('brick volfile', () => {
  it('of a single brick has nothing for healing or quota', () => {
    const volumes = graphOf(testLayout([testGroup('single', 1)]), 0);
    expect(types(volumes)).toEqual([...PLAIN, ...TOP]);
    for (const [index, volume] of volumes.entries()) {
      expect(volume.subvolumes).toEqual(index === 0 ? [] : [volumes[index - 1]?.name]);
    }
    expect(optionsOf(volumes, 'protocol/server')).toMatchObject({
      'transport.socket.listen-port': '24100',
      'transport.socket.bind-address': '127.0.0.1',
      'auth.login./bricks/b0.allow': 'user',
      'auth.login.user.password': 'secret',
    });
    expect(
      Object.keys(optionsOf(volumes, 'protocol/server') ?? {}).filter((key) => key.startsWith('auth.addr')),
    ).toEqual([]);
    expect(volumes.at(-2)?.name).toBe('/bricks/b0');
  });

  it('has threads enough for what the controller does, and not all of them', () => {
    const options = optionsOf(graphOf(testLayout([testGroup('single', 1)]), 0), 'performance/io-threads');
    // By default it is 1 of 16.
    expect(Number(options?.['least-prio-threads'])).toBeGreaterThan(1);
    expect(Number(options?.['least-prio-threads'])).toBeLessThan(16);
  });

  it('of a replica has an index for its own pool', () => {
    const volumes = graphOf(testLayout([testGroup('replicate', 3)]), 1);
    expect(types(volumes)).toEqual([...PLAIN, 'features/index', ...TOP]);
    expect(optionsOf(volumes, 'features/index')).toEqual({
      'index-base': '/bricks/b1/.glusterfs/indices',
      'xattrop-dirty-watchlist': 'trusted.afr.dirty',
      'xattrop-pending-watchlist': 'trusted.afr.p-',
    });
  });

  it('has the arbiter in the third brick of every arbiter group, and only there', () => {
    const layout = testLayout([testGroup('arbiter', 3), testGroup('arbiter', 3, 3)]);
    const arbiters = [0, 1, 2, 3, 4, 5].filter((index) => types(graphOf(layout, index)).includes('features/arbiter'));
    expect(arbiters).toEqual([2, 5]);
    expect(types(graphOf(layout, 2)).slice(0, 4)).toEqual([
      'storage/posix',
      'features/access-control',
      'features/arbiter',
      'features/locks',
    ]);
  });

  it('of a disperse group watches its own xattr', () => {
    const volumes = graphOf(testLayout([testGroup('disperse', 6)]), 5);
    expect(optionsOf(volumes, 'features/index')?.['xattrop64-watchlist']).toBe('trusted.ec.dirty');
  });

  it('accounts above io-threads and enforces on top for gluster quota', () => {
    const layout = testLayout([testGroup('replicate', 3)], { quota: 'gluster', quotaTimeouts: { soft: 1, hard: 0 } });
    const volumes = graphOf(layout, 0);
    expect(types(volumes)).toEqual([...PLAIN, 'features/marker', 'features/index', 'features/quota', ...TOP]);
    expect(optionsOf(volumes, 'features/quota')).toMatchObject({
      'soft-timeout': '1',
      'hard-timeout': '0',
      'volume-uuid': 'p',
      'deem-statfs': 'on',
    });
    expect(optionsOf(volumes, 'storage/posix')?.['update-link-count-parent']).toBe('on');
    expect(optionsOf(volumes, 'features/marker')?.['timestamp-file']).toBe('/state/marker');
  });

  it('has namespaces on top of simple quota, which knows whether it is alone', () => {
    const one = graphOf(testLayout([testGroup('single', 1)], { quota: 'simple' }), 0);
    expect(types(one)).toEqual([...PLAIN, 'features/simple-quota', 'features/namespace', ...TOP]);
    expect(optionsOf(one, 'features/simple-quota')?.['no-distribute']).toBe('true');
    const two = graphOf(testLayout([testGroup('single', 1), testGroup('single', 1, 1)], { quota: 'simple' }), 1);
    expect(optionsOf(two, 'features/simple-quota')).not.toHaveProperty('no-distribute');
  });

  it('divides the space that bricks share', () => {
    const group = testGroup('replicate', 3);
    const layout = testLayout([{ ...group, bricks: group.bricks.map((brick) => ({ ...brick, sharedBy: 3 })) }]);
    expect(optionsOf(graphOf(layout, 0), 'storage/posix')?.['shared-brick-count']).toBe('3');
  });

  it('refuses a brick that is not there, and a path that a volfile cannot hold', () => {
    expect(() => graphOf(testLayout([testGroup('single', 1)]), 1)).toThrow(/no brick 1/);
    const bad = { kind: 'single', bricks: [{ host: '127.0.0.1', port: 1, path: '/bricks/`id`' }] } as const;
    expect(() => graphOf(testLayout([bad]), 0)).toThrow(/cannot be written/);
  });
});
