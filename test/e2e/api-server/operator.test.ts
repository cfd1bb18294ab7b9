import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/pools/config.js';
import type { PoolConfig } from '../../../src/pools/types.js';
import { logTail } from '../../lib/driver.js';
import { sleep, waitFor } from '../../lib/wait.js';
import { NAMESPACE, TestApiServer, type Found } from './api-server.js';
import { storagePool } from './pools.js';

const PROGRAM = fileURLToPath(new URL('../../../dist/kayal.js', import.meta.url));
/** Where the operator asks pods how they are. */
const METRICS_PORT = 9810;
const METRICS = `
kayal_brick_pending_heals{pool="p",brick="0"} 0
kayal_brick_bytes{pool="p",brick="0",kind="size"} 10737418240
kayal_brick_bytes{pool="p",brick="0",kind="used"} 1073741824
`;

interface Status {
  readonly phase?: string;
  readonly message?: string;
  readonly volumeId?: string;
  readonly size?: string;
  readonly bricksUp?: string;
  readonly bricks?: readonly { readonly index: number; readonly address: string; readonly made: boolean }[];
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message: string }[];
}

let server: TestApiServer;
let operator: ChildProcess | undefined;
/** What answers for the pods of bricks, which nobody runs here. */
let brickPods: Server;

function startOperator(): ChildProcess {
  const log = openSync(join(server.directory, 'operator.log'), 'a');
  const flags = [
    `--kubeconfig=${server.operator}`,
    `--namespace=${NAMESPACE}`,
    '--pools-secret=kayal-pools',
    '--image=example.com/kayal:1',
  ];
  const child = spawn(process.execPath, [PROGRAM, 'operator', ...flags], { stdio: ['ignore', log, log] });
  closeSync(log);
  return child;
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

async function statusOf(pool: string): Promise<Status> {
  return (await server.find('storagepool', pool))?.['status'] ?? {};
}

/** @throws Error with the pool's status and the operator's log */
async function seen<T>(pool: string, what: string, ask: () => Promise<T | undefined>): Promise<T> {
  try {
    return await waitFor(`${pool}: ${what}`, ask, { intervalMs: 500 });
  } catch (error) {
    const log = await logTail(join(server.directory, 'operator.log'));
    throw new Error(`it is ${JSON.stringify(await statusOf(pool))}\n${log}`, { cause: error });
  }
}

function phase(pool: string, wanted: string): Promise<Status> {
  return seen(pool, wanted, async () => {
    const status = await statusOf(pool);
    return status.phase === wanted ? status : undefined;
  });
}

/** What kubelet and the StatefulSet's controller would do. */
async function runPods(pool: string, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const name = `kayal-${pool}-${index}-0`;
    const labels = { 'kayal.storage/pool': pool, 'kayal.storage/brick': String(index) };
    const spec = { containers: [{ name: 'kayal', image: 'example.com/kayal:1' }], nodeName: `n${index}` };
    const metadata = { name, namespace: NAMESPACE, labels };
    await server.apply({ apiVersion: 'v1', kind: 'Pod', metadata, spec });
    const conditions = [{ type: 'Ready', status: 'True' }];
    const status = { phase: 'Running', podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }], conditions };
    await server.must(
      'patch',
      'pod',
      name,
      '-n',
      NAMESPACE,
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify({ status }),
    );
  }
}

async function secretText(name: string, key: string): Promise<string | undefined> {
  const data = ((await server.find('secret', name))?.['data'] ?? {}) as Record<string, string>;
  return data[key] === undefined ? undefined : Buffer.from(data[key], 'base64').toString();
}

async function published(pool: string): Promise<PoolConfig | undefined> {
  const text = await secretText('kayal-pools', `${pool}.yaml`);
  return text === undefined
    ? undefined
    : parseConfig('{installation: t, pools: []}', 'c', [{ file: 'p.yaml', text }]).pools[0];
}

const bricks = (count: number): object[] =>
  Array.from({ length: count }, (_, n) => ({ node: `n${n}`, device: '/dev/vdb' }));

/** Kind, name and version of all that the operator makes. */
async function versions(): Promise<string> {
  const kinds = 'services,secrets,statefulsets,storageclasses,storagepools';
  const columns = 'custom-columns=K:.kind,N:.metadata.name,V:.metadata.resourceVersion';
  return server.must('get', kinds, '-n', NAMESPACE, '-o', columns, '--no-headers');
}

beforeAll(async () => {
  server = await TestApiServer.start();
  brickPods = createServer((request, response) => {
    response.writeHead(200).end(request.url === '/metrics' ? METRICS : 'ok\n');
  });
  await new Promise<void>((resolve, reject) => {
    brickPods.once('error', reject);
    brickPods.listen(METRICS_PORT, '127.0.0.1', resolve);
  });
  operator = startOperator();
}, 300_000);

afterAll(async () => {
  await end(operator, 'SIGTERM');
  brickPods?.close();
  await server?.stop();
});

describe('the operator', { timeout: 180_000 }, () => {
  it('makes all that bricks need, and gives the pool to nobody before they were there', async () => {
    await server.apply(storagePool('fast', { managed: { replica: 3, bricks: bricks(3) } }));
    const status = await phase('fast', 'Creating');
    expect(status.message).toMatch(/brick 0 \(n0:\/dev\/vdb\): it has no pod yet/);
    expect(status.bricks?.map(({ address, made }) => [/^10\.96\.\d+\.\d+:24100$/.test(address), made])).toEqual([
      [true, false],
      [true, false],
      [true, false],
    ]);
    expect(await secretText('kayal-fast-bricks', 'make')).toBe('0,1,2');
    for (const index of [0, 1, 2]) {
      expect(await server.find('statefulset', `kayal-fast-${index}`)).toMatchObject({
        metadata: { ownerReferences: [{ kind: 'StoragePool', name: 'fast' }] },
        spec: { replicas: 1, updateStrategy: { type: 'OnDelete' } },
      });
    }
    expect(await published('fast')).toBeUndefined();
    expect(await server.find('storageclass', 'kayal-fast')).toBeUndefined();
  });

  it('gives the pool to controller and nodes when all bricks were there, and makes its StorageClass', async () => {
    await runPods('fast', 3);
    const status = await phase('fast', 'Ready');
    expect(status).toMatchObject({
      bricksUp: '3/3',
      size: '10 GiB',
      pendingHeals: 0,
      quota: 'gluster',
      layout: '1 x replica 3',
    });
    expect(await secretText('kayal-fast-bricks', 'make')).toBe('');
    expect(await published('fast')).toMatchObject({
      type: 'managed',
      replica: 3,
      remote: { volumeId: status.volumeId, addresses: status.bricks?.map(({ address }) => address) },
    });
    expect(await server.find('storageclass', 'kayal-fast')).toMatchObject({
      provisioner: 'csi.kayal.storage',
      parameters: { pool: 'fast' },
    });
  });

  it('changes nothing when it is killed and started again', async () => {
    const before = await versions();
    await end(operator, 'SIGKILL');
    operator = startOperator();
    // The lease of the one that was killed has to run out first.
    await waitFor(
      'the new one to lead',
      async () => {
        const log = await logTail(join(server.directory, 'operator.log'), 400);
        return log.split('"leading"').length > 2 ? true : undefined;
      },
      { timeoutMs: 90_000, intervalMs: 1_000 },
    );
    await sleep(12_000);
    expect(await versions()).toBe(before);
  });

  it('has pools side by side that begin with the same name, and one that fails disturbs no other', async () => {
    await server.apply(storagePool('fast-1', { managed: { replica: 1, bricks: bricks(1) } }));
    await server.apply(storagePool('bad', { external: { hosts: ['h'], volume: 'v', options: { 'dump-fuse': '/x' } } }));
    await server.apply(storagePool('old', { external: { hosts: ['g1', 'g2'], volume: 'vol' } }));
    expect((await phase('bad', 'Invalid')).message).toMatch(/dump-fuse is not an option that a pool may set/);
    await phase('old', 'Ready');
    expect(await published('old')).toMatchObject({ type: 'gluster', hosts: ['g1', 'g2'], volume: 'vol' });
    await phase('fast-1', 'Creating');
    await runPods('fast-1', 1);
    await phase('fast-1', 'Ready');
    expect(await published('fast-1')).toMatchObject({ name: 'fast-1' });
    expect(await published('fast')).toMatchObject({ name: 'fast' });
    expect(await published('bad')).toBeUndefined();
  });

  it('makes again what somebody deletes, with the same address and identity', async () => {
    const before = await statusOf('fast');
    const address = before.bricks?.[1]?.address;
    await server.kubectl('delete', 'service', 'kayal-fast-1', '-n', NAMESPACE);
    await server.kubectl('delete', 'statefulset', 'kayal-fast-1', '-n', NAMESPACE);
    const service = await waitFor('the Service', async () => server.find('service', 'kayal-fast-1'), {
      intervalMs: 500,
    });
    expect(`${(service['spec'] as { clusterIP: string }).clusterIP}:24100`).toBe(address);
    await waitFor('the StatefulSet', async () => server.find('statefulset', 'kayal-fast-1'), { intervalMs: 500 });

    await server.must('delete', 'secret', 'kayal-fast-bricks', '-n', NAMESPACE);
    await waitFor('the Secret', async () => server.find('secret', 'kayal-fast-bricks'), { intervalMs: 500 });
    expect(await secretText('kayal-fast-bricks', 'make')).toBe('');
    expect(await published('fast')).toMatchObject({ remote: { volumeId: before.volumeId } });
    const lost = JSON.stringify({ status: { volumeId: null, bricks: null } });
    await server.must('patch', 'storagepool', 'fast', '--subresource=status', '--type=merge', '-p', lost);
    await waitFor(
      'the status',
      async () => ((await statusOf('fast')).volumeId === before.volumeId ? true : undefined),
      {
        intervalMs: 500,
      },
    );
    expect((await statusOf('fast')).bricks).toEqual(before.bricks);
  });

  it('stops at two records that differ', async () => {
    const { volumeId } = await statusOf('fast-1');
    const patch = (id: string | undefined): Promise<string> =>
      server.must(
        'patch',
        'storagepool',
        'fast-1',
        '--subresource=status',
        '--type=merge',
        '-p',
        JSON.stringify({ status: { volumeId: id } }),
      );
    await patch('00000000-0000-4000-8000-000000000000');
    const status = await phase('fast-1', 'Degraded');
    expect(status.message).toMatch(/the volume id of pool fast-1 is on record as .* and as /);
    await patch(volumeId);
    await phase('fast-1', 'Ready');
  });

  it('takes over no StorageClass that is not its own', async () => {
    const metadata = { name: 'taken' };
    await server.apply({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata,
      provisioner: 'example.com/x',
    });
    await server.apply(
      storagePool('greedy', { external: { hosts: ['h'], volume: 'w' }, storageClass: { name: 'taken' } }),
    );
    const found = await waitFor(
      'the refusal',
      async () => {
        const { message } = await statusOf('greedy');
        return message?.includes('StorageClass taken') === true ? message : undefined;
      },
      { intervalMs: 500 },
    );
    expect(found).toMatch(/is there and is not this pool's/);
    expect(await server.find('storageclass', 'taken')).toMatchObject({ provisioner: 'example.com/x' });
  });

  it('keeps a pool that has volumes, says which, and removes it when they are gone', async () => {
    const volume = {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'pv-1' },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteMany'],
        csi: { driver: 'csi.kayal.storage', volumeHandle: 'fast/pvc-1' },
        claimRef: { namespace: 'shop', name: 'data' },
      },
    };
    await server.apply(volume);
    await server.must('delete', 'storagepool', 'fast', '--wait=false');
    const status = await phase('fast', 'Deleting');
    expect(status.message).toMatch(/not deleted, as it has 1 volumes: fast\/pvc-1 \(claim shop\/data\)/);
    expect(status.conditions).toContainEqual(expect.objectContaining({ type: 'Deletable', status: 'False' }));
    expect(await published('fast')).toBeDefined();
    expect(await server.find('statefulset', 'kayal-fast-0')).toBeDefined();

    await server.must('patch', 'pv', 'pv-1', '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
    await server.must('delete', 'pv', 'pv-1', '--wait=false');
    await server.kubectl('patch', 'pv', 'pv-1', '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
    await seen('fast', 'gone', async () =>
      (await server.find('storagepool', 'fast')) === undefined ? true : undefined,
    );
    const left: (Found | undefined)[] = [];
    for (const [kind, name] of [
      ['statefulset', 'kayal-fast-0'],
      ['service', 'kayal-fast-2'],
      ['service', 'kayal-fast-bricks'],
      ['secret', 'kayal-fast-bricks'],
      ['storageclass', 'kayal-fast'],
    ] as const) {
      left.push(await server.find(kind, name));
    }
    expect(left).toEqual([undefined, undefined, undefined, undefined, undefined]);
    expect(await published('fast')).toBeUndefined();
    expect(await published('fast-1')).toBeDefined();
    expect(await published('old')).toBeDefined();
  });
});
