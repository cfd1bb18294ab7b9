import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestApiServer } from './api-server.js';
import { storagePool } from './pools.js';

let server: TestApiServer;

beforeAll(async () => {
  server = await TestApiServer.start();
}, 300_000);

afterAll(() => server?.stop());

const brick = (n: number): object => ({ node: `n${n}`, device: '/dev/vdb' });
const bricks = (count: number): object[] => Array.from({ length: count }, (_, n) => brick(n));

describe('a StoragePool', () => {
  it.each([
    ['one copy', { managed: { replica: 1, bricks: bricks(2) } }],
    ['three copies', { managed: { replica: 3, bricks: bricks(6) } }],
    ['an arbiter', { managed: { replica: 2, arbiter: 1, bricks: bricks(3) } }],
    ['disperse', { managed: { disperse: { data: 4, redundancy: 2 }, bricks: bricks(6) } }],
    ['a path', { managed: { replica: 1, bricks: [{ node: 'n', path: '/srv/kayal/fast' }] } }],
    ['a claim', { managed: { replica: 1, bricks: [{ pvc: 'disk' }] } }],
    ['an existing volume', { external: { hosts: ['g1'], volume: 'vol', options: { 'log-level': 'ERROR' } } }],
  ])('of %s is taken, with the defaults', async (_, spec) => {
    const { code, stderr } = await server.tryApply(storagePool('fast', spec), '--dry-run=server');
    expect([code, stderr]).toEqual([0, '']);
  });

  it.each([
    [{}, /must have one of managed .* and external/],
    [
      { managed: { replica: 1, bricks: bricks(1) }, external: { hosts: ['h'], volume: 'v' } },
      /must have one of managed/,
    ],
    [{ managed: { replica: 2, bricks: bricks(2) } }, /replica: 2 is refused: .* take replica: 3, or add arbiter: 1/],
    [{ managed: { replica: 3, arbiter: 1, bricks: bricks(3) } }, /arbiter goes with replica: 2/],
    [{ managed: { bricks: bricks(3) } }, /must have one of replica .* and disperse/],
    [{ managed: { replica: 3, bricks: bricks(4) } }, /bricks must be whole groups/],
    [{ managed: { replica: 2, arbiter: 1, bricks: bricks(4) } }, /bricks must be whole groups/],
    [{ managed: { disperse: { data: 2, redundancy: 2 }, bricks: bricks(4) } }, /disperse.redundancy must be less than/],
    [{ managed: { replica: 1, bricks: [{ node: 'n' }] } }, /must have one of device, path and pvc/],
    [{ managed: { replica: 1, bricks: [{ device: '/dev/vdb' }] } }, /a brick with device or path needs its node/],
    [{ managed: { replica: 1, bricks: [{ node: 'n', pvc: 'x' }] } }, /one with pvc goes where the claim is/],
    [{ managed: { replica: 1, bricks: [{ node: 'n', device: 'vdb' }] } }, /device/],
    [{ managed: { replica: 1, bricks: bricks(1), brickReclaimPolicy: 'Delete' } }, /Unsupported value: "Delete"/],
    [{ managed: { replica: 1, bricks: bricks(1) }, quota: 'project' }, /Unsupported value: "project"/],
    [{ managed: { replica: 1, bricks: bricks(1), surprise: 1 } }, /unknown field|field not declared/],
  ])('%j is refused, and it is said why', async (spec, message) => {
    const { code, stderr } = await server.tryApply(storagePool('fast', spec), '--dry-run=server');
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });

  it.each(['two.parts', 'a'.repeat(41)])('cannot be called %s', async (name) => {
    const pool = storagePool(name, { managed: { replica: 1, bricks: bricks(1) } });
    const { stderr } = await server.tryApply(pool, '--dry-run=server');
    expect(stderr).toMatch(/metadata.name must be a DNS label of at most 40/);
  });

  it('cannot be changed in what its bricks go by', async () => {
    await server.apply(storagePool('kept', { managed: { replica: 3, bricks: bricks(3) } }));
    const refusal = async (spec: object): Promise<string> => {
      const { code, stderr } = await server.tryApply(storagePool('kept', spec), '--dry-run=server');
      return code === 0 ? '' : stderr;
    };
    const three = { replica: 3, bricks: bricks(3) };
    expect(await refusal({ managed: { replica: 1, bricks: bricks(3) } })).toMatch(
      /replica, arbiter and disperse cannot/,
    );
    expect(await refusal({ managed: { replica: 3, bricks: bricks(3).toReversed() } })).toMatch(
      /bricks cannot be changed/,
    );
    expect(await refusal({ managed: { replica: 3, bricks: bricks(6) } })).toMatch(/bricks cannot be changed/);
    expect(await refusal({ managed: three, quota: 'simple' })).toMatch(/quota cannot be changed/);
    expect(await refusal({ external: { hosts: ['h'], volume: 'v' } })).toMatch(/managed cannot become external/);
    expect(await refusal({ managed: three, overcommitPercent: 200 })).toBe('');
    expect(await refusal({ managed: { ...three, tolerations: [{ operator: 'Exists' }] } })).toBe('');
  });

  it('is shown in columns', async () => {
    const table = await server.must('get', 'storagepools');
    expect(table.split('\n')[0]?.split(/\s{2,}/)).toEqual([
      'NAME',
      'LAYOUT',
      'QUOTA',
      'PHASE',
      'BRICKS',
      'TO HEAL',
      'SIZE',
      'USED',
      'AGE',
    ]);
  });
});
