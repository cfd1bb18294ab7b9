import { describe, expect, test } from 'vitest';
import type { MountEntry } from '../linux/mountinfo.js';
import type { MountLocation } from '../pools/mount-location.js';
import { describeOptions, hasParameters, otherTargets, publishKind } from './publishes.js';

const location: MountLocation = {
  dev: '0:60',
  root: '/',
  target: '/state/pool/mnt',
  fsType: 'fuse.glusterfs',
  source: '/state/client.vol',
  options: ['rw', 'relatime'],
};
const volume = { location, path: 'volumes/ab/x' };

function entry(fields: Partial<MountEntry>): MountEntry {
  return {
    id: 1,
    parent: 0,
    dev: '0:60',
    root: '/volumes/ab/x',
    target: '/t',
    options: ['rw', 'relatime'],
    optional: [],
    fsType: 'fuse.glusterfs',
    source: '/state/client.vol',
    superOptions: [],
    ...fields,
  };
}

test('a mount is a live publish, a dead one, or none', () => {
  expect(publishKind(entry({}), volume)).toBe('live');
  expect(publishKind(entry({ dev: '0:55' }), volume)).toBe('dead');
  expect(publishKind(entry({ dev: '0:55', source: 'host:/other' }), volume)).toBeUndefined();
  expect(publishKind(entry({ root: '/volumes/ab/y' }), volume)).toBeUndefined();
  expect(publishKind(entry({ root: '/volumes/ab/x//deleted' }), volume)).toBeUndefined();
  expect(publishKind(entry({ dev: '8:1', fsType: 'ext4', source: '/dev/sda1' }), volume)).toBeUndefined();
});

test('other targets leave out the own one, the pool itself and sub-directories', () => {
  const entries = [
    entry({ root: '/', target: location.target }),
    entry({ target: '/own' }),
    entry({ target: '/a' }),
    entry({ target: '/b', dev: '0:55' }),
    entry({ target: '/c', root: '/volumes/ab/x/sub' }),
  ];
  expect(otherTargets(entries, volume, '/own')).toEqual(['/a', '/b']);
  expect(otherTargets(entries, { location, path: '.' }, '/own')).toEqual([]);
});

describe('parameters', () => {
  const rw = { readOnly: false, flags: [] };
  const ro = { readOnly: true, flags: [] };

  test('readOnly has to agree both ways', () => {
    expect(hasParameters(entry({}), location, rw)).toBe(true);
    expect(hasParameters(entry({}), location, ro)).toBe(false);
    expect(hasParameters(entry({ options: ['ro', 'relatime'] }), location, ro)).toBe(true);
    expect(hasParameters(entry({ options: ['ro', 'relatime'] }), location, rw)).toBe(false);
  });

  test('flags have to agree both ways', () => {
    const noexec = { readOnly: false, flags: ['noexec'] } as const;
    const published = entry({ options: ['rw', 'noexec', 'relatime'] });
    expect(hasParameters(published, location, noexec)).toBe(true);
    expect(hasParameters(published, location, rw)).toBe(false);
    expect(hasParameters(entry({}), location, noexec)).toBe(false);
  });

  test('what the pool mount has may be there unasked', () => {
    const nosuid = { ...location, options: ['rw', 'nosuid', 'noatime'] };
    expect(hasParameters(entry({ options: ['rw', 'nosuid', 'noatime'] }), nosuid, rw)).toBe(true);
    expect(
      hasParameters(entry({ options: ['rw', 'nosuid', 'noatime'] }), nosuid, { readOnly: false, flags: ['relatime'] }),
    ).toBe(false);
  });

  test('relatime is the default', () => {
    expect(hasParameters(entry({}), location, { readOnly: false, flags: ['relatime'] })).toBe(true);
  });

  test('are shown without what nobody asks about', () => {
    expect(describeOptions(['rw', 'noexec', 'relatime', 'seclabel'])).toBe('rw,noexec');
  });
});
