import { describe, expect, it } from 'vitest';
import { parseMountinfo, type MountEntry } from '../../linux/mountinfo.js';
import { planReplacements, type DeadMounts } from './plan.js';
import { findSource } from './sources.js';

const location = {
  dev: '0:60',
  root: '/',
  target: '/kubelet/pools/p/mnt',
  fsType: 'fuse.glusterfs',
  source: 'p',
  options: ['rw'],
};
const dead: DeadMounts = { devices: new Set(['0:50']), location };

const lines = (...texts: readonly string[]): MountEntry[] => parseMountinfo(texts.join('\n'));
const gluster = (id: number, parent: number, dev: string, root: string, target: string, options = 'rw,relatime') =>
  `${id} ${parent} ${dev} ${root} ${target} ${options} - fuse.glusterfs p rw`;
const ROOT = '1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw';

const node = lines(
  ROOT,
  gluster(20, 1, '0:60', '/', '/kubelet/pools/p/mnt'),
  '21 1 0:70 / /kubelet/pods/a/cache rw,relatime shared:3 - tmpfs tmpfs rw',
);
const plan = (entries: readonly MountEntry[], remembered: readonly MountEntry[] = []) =>
  planReplacements({
    entries,
    remembered,
    dead,
    findSource: (entry) => findSource([{ namespace: undefined, entries: node }], entry),
  });

describe('what is replaced', () => {
  it('a mount of the dead device and its kind, with its options and the directory that it shows', () => {
    const entries = lines(ROOT, gluster(30, 1, '0:50', '/volumes/ab/v/sub', '/data', 'ro,nosuid,relatime'));
    expect(plan(entries)).toEqual({
      replacements: [
        {
          id: 30,
          target: '/data',
          path: 'volumes/ab/v/sub',
          options: ['ro', 'nosuid', 'relatime'],
          shared: false,
          nested: [],
        },
      ],
      lost: [],
    });
  });

  it('also when the kernel says that the directory is deleted', () => {
    const entries = lines(ROOT, gluster(30, 1, '0:50', '/volumes/ab/v//deleted', '/data'));
    expect(plan(entries).replacements).toMatchObject([{ path: 'volumes/ab/v' }]);
  });

  it('neither a live mount, nor another filesystem that has the number now', () => {
    const entries = lines(
      ROOT,
      gluster(30, 1, '0:60', '/volumes/ab/v', '/data'),
      '31 1 0:50 / /tmp rw - tmpfs tmpfs rw',
      '32 1 0:50 / /other rw - fuse.glusterfs host:/other rw',
    );
    expect(plan(entries)).toEqual({ replacements: [], lost: [] });
  });

  it('of mounts on top of each other the one that is seen', () => {
    const entries = lines(
      ROOT,
      gluster(30, 1, '0:50', '/volumes/ab/v', '/data'),
      gluster(31, 30, '0:50', '/volumes/ab/w', '/data'),
    );
    expect(plan(entries).replacements).toMatchObject([{ id: 31, nested: [] }]);
    const covered = lines(ROOT, gluster(30, 1, '0:50', '/volumes/ab/v', '/data'), '31 30 8:2 / /data rw - ext4 x rw');
    expect(plan(covered).replacements).toEqual([]);
  });
});

describe('a replacement that was cut off', () => {
  it('is done again, with the mount that it had put below the dead one', () => {
    const entries = lines(
      ROOT,
      gluster(32, 1, '0:50', '/volumes/ab/v', '/data'),
      gluster(31, 32, '0:60', '/volumes/ab/v', '/data'),
      gluster(30, 31, '0:50', '/volumes/ab/v', '/data'),
    );
    expect(plan(entries).replacements).toMatchObject([{ id: 30, below: [31, 32] }]);
  });
});

describe('what is nested', () => {
  const volume = gluster(30, 1, '0:50', '/volumes/ab/v', '/data');
  const cache = '31 30 0:70 /sub /data/cache ro,relatime - tmpfs tmpfs rw';
  const inner = gluster(32, 31, '0:50', '/volumes/cd/w', '/data/cache/w');
  const expected = [
    {
      target: '/data/cache',
      parent: undefined,
      place: 'cache',
      source: { namespace: undefined, absolute: '/kubelet/pods/a/cache/sub', dev: '0:70' },
      options: ['ro', 'relatime'],
      shared: false,
    },
    { target: '/data/cache/w', parent: 0, place: 'w', source: { path: 'volumes/cd/w' } },
  ];

  it('is found on the node, or is of the pool itself, and is made after what it is in', () => {
    const { replacements, lost } = plan(lines(ROOT, inner, cache, volume));
    expect(replacements).toMatchObject([{ id: 30, nested: expected }]);
    expect(lost).toEqual([]);
  });

  it('is remembered when it has fallen off', () => {
    const { replacements } = plan(lines(ROOT, volume), lines(cache, inner));
    expect(replacements).toMatchObject([{ id: 30, nested: expected }]);
  });

  it('is told when nobody knows where it came from, with what is in it', () => {
    const unknown = '31 30 0:99 / /data/cache rw - tmpfs tmpfs rw';
    expect(plan(lines(ROOT, volume, unknown, inner)).lost).toEqual(['/data/cache', '/data/cache/w']);
  });

  it('is not taken from where another mount covers it', () => {
    const covered = [...node, ...lines('22 21 8:9 / /kubelet/pods/a/cache rw - ext4 x rw')];
    const wanted = lines(cache)[0];
    if (wanted === undefined) throw new Error('no mount');
    expect(findSource([{ namespace: undefined, entries: covered }], wanted)).toBeUndefined();
  });
});
