import * as fc from 'fast-check';
import { stringify } from 'yaml';
import { describe, expect, it } from 'vitest';
import { ConfigError, parseConfig } from './config.js';

const FILE = '/etc/kayal/config.yaml';
const DISPERSED = {
  name: 'fast',
  type: 'managed',
  disperse: { data: 2, redundancy: 1 },
  bricks: ['/srv/a', '/srv/b', '/srv/c'],
};
const MANAGED = { name: 'fast', type: 'managed', replica: 3, bricks: ['/srv/a', '/srv/b', '/srv/c'] };
const GLUSTER = { name: 'old', type: 'gluster', hosts: ['gluster1', '10.0.0.2', 'fd00::1'], volume: 'vol-1' };
const DIRECTORY = { name: 'nfs', type: 'directory', path: '/mnt/nfs', shared: true };

function fileWith(...pools: readonly object[]): string {
  return stringify({ installation: 'home', pools });
}

function problemsOf(text: string): readonly string[] {
  try {
    parseConfig(text, FILE);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((problem) => problem.slice(`${FILE}: `.length));
    throw error;
  }
  return [];
}

describe('parseConfig', () => {
  it('fills in the defaults of each pool type', () => {
    expect(parseConfig(fileWith(MANAGED, GLUSTER, DIRECTORY), FILE)).toEqual({
      installation: 'home',
      pools: [
        {
          ...MANAGED,
          quota: 'auto',
          overcommit: 1,
          staticOnly: false,
          clientCache: true,
          quotaStrict: false,
          quotaProfile: 'exact',
        },
        { ...GLUSTER, quota: 'auto', overcommit: 1, staticOnly: false, options: {} },
        { ...DIRECTORY, quota: 'auto', overcommit: 1, staticOnly: false, requireMount: true },
      ],
    });
  });

  it('keeps what is given', () => {
    const pool = { ...MANAGED, quota: 'gluster', overcommit: 1.5, quotaStrict: true, clientCache: false };
    expect(parseConfig(fileWith(pool), FILE).pools).toEqual([{ ...pool, staticOnly: false, quotaProfile: 'exact' }]);
  });

  it('reads the files of TLS', () => {
    const poolOf = (pool: object): unknown => parseConfig(fileWith(pool), FILE).pools[0];
    const tls = { certificate: '/tls/crt', key: '/tls/key', ca: '/tls/ca' };
    expect(poolOf({ ...MANAGED, tls })).toMatchObject({ tls });
    expect(poolOf({ ...GLUSTER, tls })).toMatchObject({ tls: { ...tls, management: false } });
    expect(poolOf({ ...GLUSTER, tls: { ...tls, management: true } })).toMatchObject({ tls: { management: true } });
  });

  it.each([
    [{ ...MANAGED, tls: true }, 'pools[0].tls: must be a mapping with the keys certificate, key and ca'],
    [{ ...MANAGED, tls: { certificate: '/c', key: '/k' } }, 'pools[0].tls.ca: must be a mapping with the keys'],
    [{ ...MANAGED, tls: { certificate: 'c', key: '/k', ca: '/a' } }, 'tls.certificate: must be an absolute path'],
    [{ ...MANAGED, tls: { certificate: '/c', key: '/k y', ca: '/a' } }, 'tls.key: must be an absolute path'],
    [
      { ...MANAGED, tls: { certificate: '/c', key: '/k', ca: '/a', management: true } },
      'pools[0].tls.management: must',
    ],
    [
      { ...GLUSTER, tls: { certificate: '/c', key: '/k', ca: '/a', ciphers: 'x' } },
      'tls.ciphers: must be a mapping with',
    ],
    [
      { ...GLUSTER, tls: { certificate: '/c', key: '/k', ca: '/a' }, options: { 'secure-mgmt': true } },
      'pools[0].options: cannot hold secure-mgmt with tls: say tls.management: true',
    ],
    [{ ...DIRECTORY, tls: {} }, 'pools[0].tls: is not a key of a directory pool'],
  ])('refuses the TLS of %j', (pool, message) => {
    expect(problemsOf(fileWith(pool))).toEqual([expect.stringContaining(message)]);
  });

  it('reads what pods may have as inline volumes', () => {
    const inlineOf = (inlineVolumes: object): unknown =>
      parseConfig(fileWith({ ...DIRECTORY, inlineVolumes }), FILE).pools[0]?.inlineVolumes;
    expect(inlineOf({ maxSize: '1.5Gi' })).toEqual({ maxBytes: 3 * 2 ** 29, maxPerNode: 100 });
    expect(inlineOf({ maxSize: 1_000_000, maxPerNode: 7 })).toEqual({ maxBytes: 1_000_000, maxPerNode: 7 });
  });

  it('accepts a file without pools: they may be added while Kayal runs', () => {
    expect(parseConfig('installation: home\npools: []\n', FILE)).toEqual({ installation: 'home', pools: [] });
  });

  it('gives a static-only pool no quota mechanism, as nothing may be made in it', () => {
    expect(parseConfig(fileWith({ ...DIRECTORY, staticOnly: true }), FILE).pools[0]?.quota).toBe('none');
  });

  it('drops the trailing slash of a path', () => {
    expect(parseConfig(fileWith({ ...DIRECTORY, path: '/mnt/nfs/' }), FILE).pools[0]).toMatchObject({
      path: '/mnt/nfs',
    });
  });

  it.each([
    { replica: 1 },
    { replica: 3 },
    { replica: 2, arbiter: 1 },
    { replica: 3, arbiter: 1 },
    { disperse: { data: 2, redundancy: 1 } },
    { disperse: { data: 4, redundancy: 2 } },
  ])('takes %j with one group of bricks and with several', (layout) => {
    for (const count of [6, 12]) {
      const bricks = Array.from({ length: count }, (_, index) => `/srv/${index}`);
      const { pools } = parseConfig(fileWith({ name: 'fast', type: 'managed', bricks, ...layout }), FILE);
      expect(pools).toMatchObject([{ ...layout, bricks }]);
    }
  });

  it('lists every problem at once, each with the file, the key and what is allowed', () => {
    const text = fileWith(
      { ...MANAGED, replica: 5, bricks: ['srv/a'], overcommit: 'much', colour: 'blue', size: 1 },
      { ...DIRECTORY, name: 'Nfs', path: '/mnt/../etc', shared: 'yes' },
    );
    expect(problemsOf(text)).toEqual([
      'pools[0].overcommit: must be a number from 0.01 to 1000 (is "much")',
      'pools[0].replica: must be 1 or 3 (is 5)',
      expect.stringContaining('pools[0].bricks[0]: must be an absolute path'),
      expect.stringContaining('pools[0].colour: is not a key of a managed pool; its keys are name, overcommit,'),
      expect.stringContaining('pools[0].size: is not a key of a managed pool'),
      expect.stringContaining('pools[1].name: must be a DNS label'),
      expect.stringContaining('pools[1].path: must be an absolute path without . and ..'),
      'pools[1].shared: must be true or false (is "yes")',
      expect.stringContaining('pools[1].node: is missing'),
    ]);
    expect(() => parseConfig(text, FILE)).toThrow(
      `${FILE}: pools[0].replica: must be 1 or 3 (is 5)\n${FILE}: pools[0]`,
    );
  });

  it.each([
    ['', 'must be a mapping with the keys installation and pools'],
    ['- a\n', 'must be a mapping with the keys installation and pools'],
    ['{}', 'installation: is missing; it must be the name of this installation'],
    ['installation: home', 'pools: is missing; it must be a list of pools'],
    ['installation: [home]\npools: []', 'installation: must be the name of this installation'],
    ['installation: a\npools: {}', 'pools: must be a list of pools'],
    ['installation: a\npools: [x]', 'pools[0]: must be a mapping with name, type, … (is "x")'],
    ['installation: a\npools: []\nextra: 1', 'extra: is not a key of the file; its keys are installation, pools'],
    ['installation: a\npools: []\n__proto__: 1', '__proto__: is not a key of the file'],
    ['installation: a\ninstallation: b\npools: []', 'is not YAML: Map keys must be unique at line 2, column 1'],
    ['installation: a\npools: [', 'is not YAML: '],
    ['installation: *b\npools: []', 'is not YAML'],
    ['installation: a\npools: []\n---\nx: 1', 'is not YAML: Source contains multiple documents'],
    [fileWith({ name: 'a' }), 'pools[0].type: is missing; it must be one of managed, gluster, directory'],
    [fileWith({ name: 'a', type: 'ceph' }), 'pools[0].type: must be one of managed, gluster, directory (is "ceph")'],
    [fileWith({ type: 'managed' }), 'pools[0].replica: is missing; it must be 1 or 3'],
    [fileWith({ ...MANAGED, replica: 2 }), 'pools[0].replica: must be 1 or 3: with two copies nobody can tell'],
    [
      fileWith({ ...MANAGED, bricks: ['/srv/a', '/srv/b'] }),
      'pools[0].bricks: must list 3 for each group, so 3, 6, 9, … (replica 3), lists 2',
    ],
    [fileWith({ ...MANAGED, replica: 1, bricks: [] }), 'pools[0].bricks: must list one or more (replica 1), lists 0'],
    [fileWith({ ...MANAGED, replica: 1, arbiter: 1 }), 'pools[0].arbiter: goes with replica: 2'],
    [fileWith({ ...MANAGED, arbiter: 2 }), 'pools[0].arbiter: must be 1: the last brick of each group (is 2)'],
    [fileWith({ ...MANAGED, disperse: { data: 2, redundancy: 1 } }), 'disperse: cannot be given with replica'],
    [fileWith({ ...DISPERSED, arbiter: 1 }), 'pools[0].arbiter: cannot be given with disperse'],
    [fileWith({ ...DISPERSED, disperse: 3 }), 'pools[0].disperse: must be a mapping with the keys data and redundancy'],
    [
      fileWith({ ...DISPERSED, disperse: { data: 2 } }),
      'pools[0].disperse.redundancy: must be a mapping with the keys',
    ],
    [fileWith({ ...DISPERSED, disperse: { data: 2.5, redundancy: 1 } }), 'data: must be a whole number, at least 1'],
    [
      fileWith({ ...DISPERSED, disperse: { data: 2, redundancy: 2 } }),
      'pools[0].disperse.redundancy: must be less than data (is 2 of data 2)',
    ],
    [fileWith({ ...DISPERSED, disperse: { data: 17, redundancy: 1 } }), 'disperse.data: must be at most 16 (is 17)'],
    [
      fileWith({ ...DISPERSED, bricks: ['/srv/a', '/srv/b', '/srv/c', '/srv/d'] }),
      'bricks: must list 3 for each group, so 3, 6, 9, … (disperse-data 2 redundancy 1), lists 4',
    ],
    [fileWith({ ...MANAGED, replica: 1, quota: 'simple' }), 'quota: simple works with replica: 1 or 3 and one group'],
    [fileWith({ ...DISPERSED, quota: 'simple' }), 'pools[0].quota: simple works with replica: 1 or 3 and one group'],
    [fileWith({ ...MANAGED, quota: 'fast' }), 'pools[0].quota: must be one of auto, project, gluster, simple, none'],
    [fileWith({ ...MANAGED, quota: 'project', quotaStrict: true }), 'quotaStrict: applies with quota: gluster or auto'],
    [fileWith({ ...MANAGED, quota: 'none', quotaProfile: 'large-volumes' }), 'pools[0].quotaProfile: applies with'],
    [
      fileWith({ ...MANAGED, quotaStrict: true, quotaProfile: 'large-volumes' }),
      'pools[0].quotaStrict: cannot be true',
    ],
    [fileWith({ ...MANAGED, quotaProfile: 'quick' }), 'quotaProfile: must be exact or large-volumes (is "quick")'],
    [fileWith({ ...MANAGED, overcommit: 0 }), 'pools[0].overcommit: must be a number from 0.01 to 1000 (is 0)'],
    [fileWith({ ...MANAGED, overcommit: Number.NaN }), 'pools[0].overcommit: must be a number'],
    [fileWith({ ...MANAGED, bricks: '/srv/a' }), 'pools[0].bricks: must be a list of absolute paths'],
    [fileWith({ ...GLUSTER, clientCache: false }), 'pools[0].clientCache: is not a key of a gluster pool'],
    [fileWith({ ...GLUSTER, quotaStrict: true }), 'pools[0].quotaStrict: is not a key of a gluster pool'],
    [fileWith({ ...GLUSTER, quota: 'project' }), 'pools[0].quota: must be one of auto, gluster, simple, none (project'],
    [fileWith({ ...GLUSTER, hosts: [] }), 'pools[0].hosts: must list at least one host'],
    [fileWith({ ...GLUSTER, hosts: ['-x', 'a b', ''] }), 'pools[0].hosts[2]: must be a host name or an address'],
    [fileWith({ ...GLUSTER, volume: '/vol/../x' }), "pools[0].volume: must be a GlusterFS volume's name"],
    [fileWith({ ...GLUSTER, options: ['acl'] }), 'pools[0].options: must be a mapping of option names to values'],
    [fileWith({ ...GLUSTER, options: { acl: {} } }), 'pools[0].options.acl: must be a string, a number, true or false'],
    [fileWith({ ...GLUSTER, options: { 'log-file': '/x' } }), 'pools[0].options: log-file is not an option that'],
    [fileWith({ ...GLUSTER, options: { 'log-level': 'LOUD' } }), 'pools[0].options: log-level must be DEBUG, INFO'],
    [fileWith({ ...DIRECTORY, quota: 'simple' }), 'pools[0].quota: must be one of auto, project, none (gluster and'],
    [fileWith({ ...DIRECTORY, node: 'n1' }), 'pools[0].node: cannot be given with shared: true; take one of them'],
    [fileWith({ ...DIRECTORY, shared: undefined }), 'pools[0].shared: is missing: say shared: true'],
    [fileWith({ ...DIRECTORY, shared: false, node: '../x' }), "pools[0].node: must be a node's name"],
    [fileWith({ ...DIRECTORY, staticOnly: true, quota: 'project' }), 'pools[0].quota: must be none, or left out'],
    [fileWith({ ...DIRECTORY, inlineVolumes: true }), 'pools[0].inlineVolumes: must be a mapping with the key maxSize'],
    [fileWith({ ...DIRECTORY, inlineVolumes: {} }), 'pools[0].inlineVolumes.maxSize: must be a mapping with the key'],
    [fileWith({ ...DIRECTORY, inlineVolumes: { maxSize: '1G', x: 1 } }), 'pools[0].inlineVolumes.x: must be a mapping'],
    [fileWith({ ...DIRECTORY, inlineVolumes: { maxSize: '9Pi' } }), 'maxSize: must be an amount of bytes such as 1Gi'],
    [fileWith({ ...DIRECTORY, inlineVolumes: { maxSize: 0 } }), 'maxSize: must be an amount of bytes such as 1Gi'],
    [
      fileWith({ ...DIRECTORY, inlineVolumes: { maxSize: '1Gi', maxPerNode: 0 } }),
      'pools[0].inlineVolumes.maxPerNode: must be a whole number from 1 to 1000 (is 0)',
    ],
    [
      fileWith({ ...DIRECTORY, staticOnly: true, inlineVolumes: { maxSize: '1Gi' } }),
      'pools[0].inlineVolumes: must be left out with staticOnly',
    ],
    [fileWith({ ...DIRECTORY, requireMount: 0 }), 'pools[0].requireMount: must be true or false (is 0)'],
  ])('refuses case %#', (text, problem) => {
    expect(problemsOf(text).join('\n')).toContain(problem);
  });

  it('does not guess a pool from a missing type, and still checks its name against the others', () => {
    expect(problemsOf(fileWith({ name: 'a' }, { ...DIRECTORY, name: 'a' }))).toEqual([
      expect.stringContaining('pools[0].type: is missing'),
      'pools[1].name: must not be the name of pools[0] too',
    ]);
  });
});

describe('paths', () => {
  const bad = fc.oneof(
    fc.string({ minLength: 1 }).filter((text) => !text.startsWith('/')),
    fc.constantFrom('/', '//', '/a//b', '/a/./b', '/a/..', '/../a', '/a\nb', '/a\u0000', '/a b', "/a'", '/é'),
    fc.nat({ max: 10 }).map((n) => `/${'x'.repeat(1024 + n)}`),
  );
  const name = fc.stringMatching(/^[A-Za-z0-9_+@=-][A-Za-z0-9._+@=-]{0,20}$/);
  const good = fc.array(name, { minLength: 1, maxLength: 6 }).map((names) => `/${names.join('/')}`);

  it('takes every plain absolute brick path as it is', () => {
    fc.assert(
      fc.property(good, (path) => {
        const config = parseConfig(fileWith({ ...MANAGED, replica: 1, bricks: [path] }), FILE);
        expect(config.pools[0]).toMatchObject({ bricks: [path] });
      }),
    );
  });

  it('refuses every brick path that is relative, not in its plainest form, or cannot stand in a volfile', () => {
    fc.assert(
      fc.property(bad, (path) => {
        expect(problemsOf(fileWith({ ...MANAGED, replica: 1, bricks: [path] })).join()).toContain(
          'pools[0].bricks[0]:',
        );
      }),
    );
  });
});

describe('any file', () => {
  it('is a configuration or a ConfigError with at least one problem, never something else', () => {
    const value = fc.oneof(
      fc.anything(),
      fc.constantFrom('managed', 'gluster', 'directory', 3, true, '/srv/a', ['/b']),
    );
    const keys = fc.constantFrom(
      'name',
      'type',
      'replica',
      'arbiter',
      'disperse',
      'bricks',
      'quota',
      'hosts',
      'volume',
      'options',
      'path',
      'node',
    );
    const pool = fc.dictionary(keys, value);
    fc.assert(
      fc.property(fc.array(pool, { maxLength: 3 }), (pools) => {
        const text = JSON.stringify({ installation: 'a', pools });
        // problemsOf rethrows whatever is not a ConfigError.
        const isRefused = problemsOf(text).length > 0;
        expect(isRefused || parseConfig(text, FILE).pools.length === pools.length).toBe(true);
      }),
    );
  });
});
