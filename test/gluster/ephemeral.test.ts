import { mkdtemp, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readMountinfo } from '../../src/linux/mountinfo.js';
import { type Driver, driverPaths } from '../lib/driver.js';
import { InlinePod } from '../lib/inline-pod.js';
import { INLINE, SMALL, expectNoTraces, inlineStore, memoryDirectory, tracesOf } from '../lib/inline-volumes.js';
import { kayal } from '../lib/kayal.js';
import { removeLeftovers } from '../lib/leftovers.js';
import { servedMetrics } from '../lib/metrics.js';
import { startOpen } from '../lib/open-driver.js';
import { directoryPool, singleBrickPool, type PoolKeys } from '../lib/pool-configs.js';
import { dfBytes, runUnprivileged } from '../lib/published-volume.js';
import { MiB, SHARED, createRequest, expectStatus, retried } from '../lib/requests.js';
import { waitFor } from '../lib/wait.js';

describe.each(['managed', 'directory'] as const)('inline volumes on a %s pool', (type) => {
  let directory: string;
  let pool: PoolKeys;
  let driver: Driver;
  let root: string;
  const pods: InlinePod[] = [];

  const start = (): Promise<Driver> => startOpen({ directory, pools: [pool], metricsAddress: '127.0.0.1:0' });
  const pod = (name?: string): InlinePod => {
    const made = new InlinePod(directory, () => driver, name);
    pods.push(made);
    return made;
  };
  const promised = async (): Promise<number> => {
    const metrics = await servedMetrics(driverPaths(directory).log);
    return Number(/^kayal_pool_bytes\{[^}]*promised[^}]*\} (\d+)/m.exec(metrics)?.[1]);
  };
  const store = (): string => inlineStore(directory);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'inline-'));
    if (type === 'directory') {
      root = await memoryDirectory(directory);
      pool = { ...directoryPool('p', root), ...INLINE };
    } else {
      pool = await singleBrickPool(directory, 'p', { quota: 'gluster', ...INLINE });
      root = join(directory, 'state/control/p/mnt');
    }
    driver = await start();
  });

  afterEach(async () => {
    for (const one of pods.splice(0)) await one.unpublish();
    await expectNoTraces(root);
  });

  afterAll(async () => {
    await driver?.stop();
    await removeLeftovers(directory);
  });

  it('survives the client of its pool, where there is one: healing goes by mounts', async () => {
    const one = pod();
    await one.publish(SMALL);
    await writeFile(join(one.target, 'file'), 'x');
    if (type === 'managed') {
      const pidFile = join(driverPaths(directory).kubeletDir, 'plugins/csi.kayal.storage/pools/p/client.pid');
      const { pid } = JSON.parse(await readFile(pidFile, 'utf8')) as { readonly pid: number };
      process.kill(pid, 'SIGKILL');
    }
    const content = await waitFor('the volume to answer', () =>
      readFile(join(one.target, 'file'), 'utf8').catch(() => undefined),
    );
    expect(content).toBe('x');
    await waitFor('a good condition', async () =>
      (await one.stats()).volume_condition?.abnormal === false ? true : undefined,
    );
  });

  it('a pod has its volume at once, with what it asks for; it goes with the pod, and its space comes back', async () => {
    const one = pod();
    const started = performance.now();
    await one.publishOnce({ ...SMALL, uid: '1000', gid: '2000', mode: '0750' });
    console.log(`an inline volume on a ${type} pool was published in ${Math.round(performance.now() - started)} ms`);
    const { uid, gid, mode } = await stat(one.target);
    expect([uid, gid, mode & 0o7777]).toEqual([1000, 2000, 0o750]);
    await writeFile(join(one.target, 'file'), 'x');
    // Again, as kubelet does: nothing changes.
    await one.publishOnce({ ...SMALL, uid: '1000', gid: '2000', mode: '0750' });
    expect(await readFile(join(one.target, 'file'), 'utf8')).toBe('x');
    expect((await readMountinfo()).filter(({ target }) => target === one.target)).toHaveLength(1);
    await expectStatus(one.publishOnce(SMALL, { readonly: true }), 'ALREADY_EXISTS', /other options/);
    expect(await promised()).toBe(20 * MiB);
    const { usage, volume_condition: condition } = await one.stats();
    expect(condition?.abnormal).toBe(false);
    expect(usage.find(({ unit }) => unit === 'BYTES')?.total).toBe(String(20 * MiB));
    if (type === 'managed') {
      expect(await dfBytes(one.target)).toBe(20 * MiB);
      const fill = ['if=/dev/zero', 'of=fill', 'bs=1M', 'count=40', 'conv=fsync'];
      const { code, stderr } = await runUnprivileged(one.target, 'dd', fill);
      expect([code, stderr]).toEqual([1, expect.stringContaining('Disk quota exceeded')]);
    }
    await one.unpublish();
    await one.unpublish();
    await expectNoTraces(root);
    await waitFor('the node to forget it', async () => ((await readdir(store())).length === 0 ? true : undefined));
    expect(await promised()).toBe(0);
  });

  it('two pods have two volumes, a read-only one cannot be written to', async () => {
    const [one, two] = [pod('one'), pod('two')];
    await Promise.all([one.publish(SMALL), retried(() => two.publishOnce({}, { readonly: true }))]);
    await writeFile(join(one.target, 'mine'), '');
    expect(await readdir(two.target)).toEqual([]);
    await expect(writeFile(join(two.target, 'x'), '')).rejects.toThrow('EROFS');
  });

  it('is nobody else’s: no list, no PersistentVolume, no snapshot, no deletion', async () => {
    const one = pod('solo');
    await one.publish(SMALL);
    const { controller, node } = driver.client;
    const handle = `p/${one.id}`;
    expect((await controller.ListVolumes({})).entries).toEqual([]);
    await expectStatus(controller.ControllerGetVolume({ volume_id: handle }), 'FAILED_PRECONDITION', /inline volume/);
    await expectStatus(controller.DeleteVolume({ volume_id: handle }), 'FAILED_PRECONDITION', /goes with the pod/);
    await expectStatus(
      controller.CreateSnapshot({ name: 's', source_volume_id: handle }),
      'NOT_FOUND',
      /does not exist/,
    );
    await expectStatus(controller.CreateVolume(createRequest(one.volumeId)), 'ALREADY_EXISTS', /inline volume/);
    const stage = { volume_id: handle, staging_target_path: directory, volume_capability: SHARED };
    await expectStatus(node.NodeStageVolume(stage), 'FAILED_PRECONDITION', /inline volume/);
    const listed = await kayal(directory, ['volumes', '-o', 'json']);
    expect(JSON.parse(listed.stdout)).toEqual([
      expect.objectContaining({ handle, kind: 'inline', pod: { node: 'node-1', uid: one.uid, name: 'team/solo' } }),
    ]);
    expect((await kayal(directory, ['volumes'])).stdout).toMatch(/inline .* pod team\/solo on node-1/);
    const purged = await kayal(directory, ['volume', 'purge', handle, '--yes']);
    expect([purged.code, purged.stderr]).toEqual([1, expect.stringContaining('is mounted on this machine')]);
  });

  it('another pod that names it gets nothing', async () => {
    const one = pod();
    await one.publish(SMALL);
    const thief = pod();
    Object.assign(thief, { volumeId: one.volumeId });
    await expectStatus(thief.publishOnce(SMALL), 'FAILED_PRECONDITION', /no inline volume of this pod/);
    await one.unpublish();
    pods.length = 0;
    await thief.forget();
  });

  it('a node has no more of them than it may, and what is given back counts no more', async () => {
    const four = [pod(), pod(), pod(), pod()];
    const results = await Promise.allSettled(four.map((one) => retried(() => one.publishOnce(SMALL))));
    const refused = results.flatMap((result, n) => (result.status === 'rejected' ? [n] : []));
    expect(refused).toHaveLength(1);
    const last = four[refused[0] ?? 0] ?? pod();
    await expectStatus(last.publishOnce(SMALL), 'RESOURCE_EXHAUSTED', /has 3 inline volumes in pool p/);
    await four[((refused[0] ?? 0) + 1) % 4]?.unpublish();
    // The refusal stands for half a minute.
    const isPublished = (): Promise<true | undefined> =>
      last.publishOnce(SMALL).then(
        () => true,
        () => undefined,
      );
    await waitFor('room for another one', isPublished, { timeoutMs: 60_000, intervalMs: 500 });
  });

  it.each([
    [{ path: 'x' }, 'INVALID_ARGUMENT', /"path" is not for inline volumes/],
    [{ pathPattern: 'x' }, 'INVALID_ARGUMENT', /"pathPattern"/],
    [{ onDelete: 'retain' }, 'INVALID_ARGUMENT', /"onDelete"/],
    [{ volumeType: 'file' }, 'INVALID_ARGUMENT', /"volumeType"/],
    [{ pool: 'other' }, 'INVALID_ARGUMENT', /pool "other" has no inline volumes; pools that have are p/],
    [{ pool: '../p' }, 'INVALID_ARGUMENT', /has no inline volumes/],
    [{ size: '0' }, 'INVALID_ARGUMENT', /size/],
    [{ size: '-1Gi' }, 'INVALID_ARGUMENT', /size/],
    [{ size: 'all' }, 'INVALID_ARGUMENT', /size/],
    [{ size: '65Mi' }, 'OUT_OF_RANGE', /more than the 64 MiB/],
    [{ mode: '0777777' }, 'INVALID_ARGUMENT', /mode/],
    [{ uid: '-1' }, 'INVALID_ARGUMENT', /uid/],
  ] as const)('%j are refused, and nothing is asked for', async (attributes, code, message) => {
    const one = pod();
    await expectStatus(one.publishOnce(attributes), code, message);
    expect(await tracesOf(root)).toEqual([]);
  });
});
