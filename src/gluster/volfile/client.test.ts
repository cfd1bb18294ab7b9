import { describe, expect, it } from 'vitest';
import { brickClientVolfiles, clientVolfile, controlVolfile } from './client.js';
import { parseVolfile } from './parse.js';
import type { VolfileVolume } from './parse.js';
import { quotadVolfile } from './quotad.js';
import { needsSelfHeal, selfHealVolfile } from './self-heal.js';
import { testGroup, testLayout } from './test-layouts.js';

const types = (volumes: readonly VolfileVolume[]): string[] => volumes.map(({ type }) => type);
const byType = (volumes: readonly VolfileVolume[], type: string): VolfileVolume[] =>
  volumes.filter((volume) => volume.type === type);

describe('client volfile', () => {
  it('of one brick: connection, distribution, cache', () => {
    const volumes = parseVolfile(clientVolfile(testLayout([testGroup('single', 1)])));
    expect(types(volumes)).toEqual([
      'protocol/client',
      'cluster/distribute',
      'features/utime',
      'performance/write-behind',
      'performance/md-cache',
      'debug/io-stats',
    ]);
    expect(volumes[0]).toMatchObject({
      name: 'p-client-0',
      options: {
        'remote-host': '127.0.0.1',
        'remote-port': '24100',
        'remote-subvolume': '/bricks/b0',
        'ping-timeout': '10',
        username: 'user',
        password: 'secret',
      },
    });
  });

  it('of three replicas keeps the order that their bookkeeping counts on', () => {
    const volumes = parseVolfile(clientVolfile(testLayout([testGroup('replicate', 3)])));
    expect(byType(volumes, 'cluster/replicate')).toMatchObject([
      {
        name: 'p-replicate-0',
        options: { 'afr-pending-xattr': 'p-client-0,p-client-1,p-client-2', 'quorum-type': 'auto' },
        subvolumes: ['p-client-0', 'p-client-1', 'p-client-2'],
      },
    ]);
    expect(byType(volumes, 'cluster/replicate')[0]?.options).not.toHaveProperty('arbiter-count');
    expect(byType(volumes, 'cluster/replicate')[0]?.options).not.toHaveProperty('iam-self-heal-daemon');
  });

  it('heals what a brick did while it was behind; only quotad believes one brick alone', () => {
    const layout = testLayout([testGroup('replicate', 3)], { quota: 'gluster' });
    const optionsOf = (volfile: string): Readonly<Record<string, string>> | undefined =>
      byType(parseVolfile(volfile), 'cluster/replicate')[0]?.options;
    const heals = { 'use-anonymous-inode': 'yes', 'favorite-child-policy': 'majority' };
    expect(optionsOf(clientVolfile(layout))).toMatchObject({ ...heals, 'quorum-type': 'auto' });
    expect(optionsOf(selfHealVolfile(layout))).toMatchObject({ ...heals, 'quorum-type': 'auto' });
    expect(optionsOf(quotadVolfile(layout))).toMatchObject({ 'quorum-type': 'none' });
  });

  it('of an arbiter group says so', () => {
    const volumes = parseVolfile(clientVolfile(testLayout([testGroup('arbiter', 3)])));
    expect(byType(volumes, 'cluster/replicate')[0]?.options['arbiter-count']).toBe('1');
  });

  it('of a disperse group has its redundancy', () => {
    const volumes = parseVolfile(clientVolfile(testLayout([testGroup('disperse', 6)])));
    expect(byType(volumes, 'cluster/disperse')).toMatchObject([
      {
        name: 'p-disperse-0',
        options: { redundancy: '2' },
        subvolumes: [0, 1, 2, 3, 4, 5].map((n) => `p-client-${n}`),
      },
    ]);
  });

  it('of several groups distributes over all of them', () => {
    const groups = [testGroup('replicate', 3), testGroup('replicate', 3, 3), testGroup('single', 1, 6)];
    const volumes = parseVolfile(clientVolfile(testLayout(groups)));
    expect(byType(volumes, 'cluster/distribute')[0]?.subvolumes).toEqual([
      'p-replicate-0',
      'p-replicate-1',
      'p-client-6',
    ]);
    expect(byType(volumes, 'cluster/replicate')[1]?.subvolumes).toEqual(['p-client-3', 'p-client-4', 'p-client-5']);
  });

  it('can do without write-behind', () => {
    const volumes = parseVolfile(clientVolfile(testLayout([testGroup('single', 1)], { writeBehind: false })));
    expect(types(volumes)).not.toContain('performance/write-behind');
  });

  it('can do without any cache', () => {
    const layout = testLayout([testGroup('single', 1)], { writeBehind: false, metadataCache: false });
    const volumes = parseVolfile(clientVolfile(layout));
    expect(types(volumes).filter((type) => type.startsWith('performance/'))).toEqual([]);
  });

  it('for control keeps nothing back', () => {
    const volumes = parseVolfile(controlVolfile(testLayout([testGroup('replicate', 3)])));
    expect(types(volumes).filter((type) => type.startsWith('performance/'))).toEqual([]);
  });

  it('for control ends rather than work without one of several groups', () => {
    const distributed = (count: number): VolfileVolume['options'] | undefined => {
      const groups = Array.from({ length: count }, (_, index) => testGroup('single', 1, index));
      return byType(parseVolfile(controlVolfile(testLayout(groups))), 'cluster/distribute')[0]?.options;
    };
    expect(distributed(1)).toEqual({});
    expect(distributed(2)).toEqual({ 'assert-no-child-down': 'on' });
    const groups = [testGroup('single', 1), testGroup('single', 1, 1)];
    expect(clientVolfile(testLayout(groups))).not.toContain('assert-no-child-down');
  });

  it.each([
    ['single', 2],
    ['replicate', 1],
    ['arbiter', 2],
    ['disperse', 2],
    ['disperse', 4],
  ] as const)('refuses a %s group of %i', (kind, count) => {
    expect(() => clientVolfile(testLayout([testGroup(kind, count)]))).toThrow(/cannot have/);
  });

  it('works for a pool whose name is a word of the volfile language', () => {
    const volumes = parseVolfile(clientVolfile(testLayout([testGroup('single', 1)], { pool: 'volume' })));
    expect(volumes.map(({ name }) => name)).not.toContain('volume');
  });
});

describe('volfiles of one brick each', () => {
  it("hold its client alone, with the pool's credentials, in the order of the bricks", () => {
    const [first, second, ...others] = brickClientVolfiles(testLayout([testGroup('replicate', 3)])).map(parseVolfile);
    expect(others).toHaveLength(1);
    expect([first?.length, second?.length]).toEqual([1, 1]);
    expect(second?.[0]).toMatchObject({
      type: 'protocol/client',
      options: { 'remote-port': '24101', 'remote-subvolume': '/bricks/b1', username: 'user', password: 'secret' },
    });
  });
});

describe('self-heal volfile', () => {
  it('has every group that heals, and says who it is', () => {
    const layout = testLayout([testGroup('replicate', 3), testGroup('disperse', 6, 3), testGroup('single', 1, 9)]);
    const volumes = parseVolfile(selfHealVolfile(layout));
    expect(needsSelfHeal(layout)).toBe(true);
    expect(volumes.at(-1)?.subvolumes).toEqual(['p-replicate-0', 'p-disperse-1']);
    expect(byType(volumes, 'cluster/replicate')[0]?.options['iam-self-heal-daemon']).toBe('on');
    expect(byType(volumes, 'cluster/disperse')[0]?.options['iam-self-heal-daemon']).toBe('yes');
    expect(byType(volumes, 'cluster/replicate')[0]?.options['heal-timeout']).toBe('10');
    // With less the daemon does not start.
    expect(byType(volumes, 'cluster/disperse')[0]?.options['heal-timeout']).toBe('60');
  });

  it('is not needed for single bricks', () => {
    expect(needsSelfHeal(testLayout([testGroup('single', 1)]))).toBe(false);
  });
});

describe('quotad volfile', () => {
  it('names the graph for the pool as the bricks ask for it', () => {
    const volumes = parseVolfile(quotadVolfile(testLayout([testGroup('replicate', 3)], { quota: 'gluster' })));
    expect(volumes.at(-1)).toEqual({
      name: 'p-quotad',
      type: 'features/quotad',
      options: { 'p-dht.volume-id': 'p' },
      subvolumes: ['p-dht'],
    });
  });
});
