import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loopDevices } from '../../src/linux/loop-devices.js';
import { ClientNetwork } from '../lib/client-network.js';
import { Driver, driverPaths } from '../lib/driver.js';
import { Glusterd } from '../lib/glusterd.js';
import { hybridDirectory, type HybridDirectory } from '../lib/hybrid-directory.js';
import { kayal } from '../lib/kayal.js';
import { servedMetrics } from '../lib/metrics.js';
import { expectStatus, retried } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';
import { VolumeUser, mounted } from '../lib/volume-user.js';
import { waitFor } from '../lib/wait.js';

/** A hybrid volume on two nodes; one of them can be cut off the network. */
describe('a hybrid volume on two nodes', { timeout: 400_000 }, () => {
  let directory: string;
  let glusterd: Glusterd;
  let network: ClientNetwork;
  let controller: Driver;
  let a: Driver;
  let b: Driver;
  const disks: Record<string, HybridDirectory> = {};
  const shared = mounted('MULTI_NODE_MULTI_WRITER');

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'n-'));
    glusterd = await Glusterd.start(await mkdtemp(join(directory, 'g-')));
    const bricks = ['b1', 'b2', 'b3'].map((name) => glusterd.brick(name));
    await glusterd.gluster('volume', 'create', 'gv0', 'replica', '3', ...bricks, 'force');
    await glusterd.gluster('volume', 'start', 'gv0');
    network = await ClientNetwork.start(glusterd);
    for (const name of ['a', 'b']) disks[name] = await hybridDirectory(directory, `disk-${name}`, 1_024);
    controller = await start('c', 'controller');
    a = await start('a', 'node', network.prefix);
    b = await start('b', 'node');
  }, 120_000);

  afterEach(async () => {
    await network.connect();
  });

  afterAll(async () => {
    for (const driver of [a, b, controller]) await driver?.stop();
    for (const disk of Object.values(disks)) await disk.remove();
    await network?.stop();
    await glusterd?.stop();
    expect((await loopDevices()).filter(({ file }) => file.includes(directory))).toEqual([]);
  });

  async function start(name: string, role: 'controller' | 'node', prefix?: readonly string[]): Promise<Driver> {
    const pools = [{ name: 'main', type: 'gluster', hosts: [glusterd.host], volume: 'gv0', quota: 'none' }];
    const env = { KAYAL_REGISTER: 'no', ...disks[name]?.env };
    return Driver.start({
      directory: await mkdtemp(join(directory, `${name}-`)),
      nodeId: name,
      role,
      pools,
      env,
      prefix,
      // One in another network namespace could not be asked.
      ...(prefix === undefined ? { metricsAddress: '127.0.0.1:0' } : {}),
    });
  }

  const userOf = (driver: Driver): VolumeUser => new VolumeUser(driver.directory, () => driver);
  const create = (name: string, more: Record<string, string> = {}): Promise<string> =>
    userOf(controller).create(name, {
      sizeMiB: 32,
      capability: shared,
      parameters: { volumeType: 'hybrid', syncInterval: '1s', ...more },
    });
  /** As everybody sees it who reads what the pool has. */
  const syncedTo = async (handle: string): Promise<number> => {
    const { stdout } = await kayal(controller.directory, ['volumes', '-o', 'json']);
    const rows = JSON.parse(stdout) as { handle: string; syncedTo?: string | null }[];
    return Date.parse(rows.find((row) => row.handle === handle)?.syncedTo ?? '1970-01-01');
  };
  const abnormal = async (driver: Driver, handle: string): Promise<string> => {
    const request = { volume_id: handle, volume_path: userOf(driver).target(handle) };
    const { volume_condition } = await driver.client.node.NodeGetVolumeStats(request);
    return volume_condition?.abnormal === true ? (volume_condition.message ?? '') : '';
  };

  it('is written by one of them; the other one reads the last complete sync, and writes when the first one is done', async () => {
    const [first, second] = [userOf(a), userOf(b)];
    const handle = await create('shared');
    const path = await first.use(handle, shared);
    await writeFile(join(path, 'file'), 'one');
    const written = Date.now();
    await waitFor('the sync', async () => ((await syncedTo(handle)) > written ? true : undefined));
    // Pods of one node share the copy.
    const other = await first.publish(handle, shared, { pod: 'other' });
    expect(await readFile(join(other, 'file'), 'utf8')).toBe('one');

    await second.stage(handle, shared);
    const refused = /in use by node a since .*only one node at a time/;
    await expectStatus(second.publish(handle, shared), 'FAILED_PRECONDITION', refused);
    const exclusive = mounted('SINGLE_NODE_WRITER');
    await second.unstage(handle);
    await expectStatus(second.stage(handle, exclusive), 'FAILED_PRECONDITION', refused);
    await second.stage(handle, shared);
    const read = await second.publish(handle, shared, { pod: 'reader', readonly: true });
    expect(await readFile(join(read, 'file'), 'utf8')).toBe('one');
    await expect(writeFile(join(read, 'file'), 'no')).rejects.toThrow('EROFS');
    await expectStatus(userOf(controller).remove(handle), 'FAILED_PRECONDITION', /in use by node a/);

    await first.unpublish(handle, 'other');
    await writeFile(join(path, 'file'), 'two');
    await first.leave(handle);
    // The reader goes on with what it has, and a writer beside it has the newest.
    const writer = await second.publish(handle, shared, { pod: 'writer' });
    expect(await readFile(join(writer, 'file'), 'utf8')).toBe('two');
    expect(await readFile(join(read, 'file'), 'utf8')).toBe('one');
    await writeFile(join(writer, 'file'), 'three');
    await second.unpublish(handle, 'reader');
    await second.unpublish(handle, 'writer');
    await second.unstage(handle);
    // The copy that the first one kept is not the newest any more.
    expect(await readFile(join(await first.use(handle, shared), 'file'), 'utf8')).toBe('three');
    await first.leave(handle);
    for (const disk of Object.values(disks)) expect(await disk.aside()).toEqual([]);
    await userOf(controller).remove(handle);
  });

  it('goes on without its pool, says that it is behind, and does not end before the pool has everything', async () => {
    const user = userOf(a);
    const handle = await create('behind');
    const path = await user.use(handle, shared);
    await writeFile(join(path, 'file'), 'synced');
    const written = Date.now();
    await waitFor('the sync', async () => ((await syncedTo(handle)) > written ? true : undefined));
    await network.cut();
    const since = performance.now();
    await writeFile(join(path, 'file'), 'at local speed');
    await mustRun('sync', ['-f', path]);
    const local = performance.now() - since;
    const behind = /its pool is behind, and has it as of \d{4}-/;
    await waitFor('the node to notice', async () => (behind.test(await abnormal(a, handle)) ? true : undefined), {
      timeoutMs: 180_000,
    });
    console.log(`a write without its pool, fsync included: ${Math.round(local)} ms`);
    const ended = a.client.node.NodeUnpublishVolume({ volume_id: handle, target_path: user.target(handle) });
    await expectStatus(ended, 'UNAVAILABLE', /not in its pool, which has .*kayal volume abandon main\/behind/);
    await network.connect();
    await user.leave(handle);
    const next = userOf(b);
    expect(await readFile(join(await next.use(handle, shared), 'file'), 'utf8')).toBe('at local speed');
    await next.leave(handle);
    await userOf(controller).remove(handle);
  });

  it('is given up on request while its pool cannot be reached, and what it had is kept aside', async () => {
    const user = userOf(a);
    const handle = await create('given-up');
    const path = await user.use(handle, shared);
    await writeFile(join(path, 'file'), 'synced');
    const written = Date.now();
    await waitFor('the sync', async () => ((await syncedTo(handle)) > written ? true : undefined));
    await network.cut();
    await writeFile(join(path, 'file'), 'not in the pool');
    const ended = (): Promise<unknown> =>
      a.client.node.NodeUnpublishVolume({ volume_id: handle, target_path: user.target(handle) });
    await expectStatus(ended(), 'UNAVAILABLE', /kayal volume abandon/);
    const environment = { KAYAL_HYBRID_DIR: disks['a']?.path ?? '' };
    const abandon = (...more: string[]) => kayal(a.directory, ['volume', 'abandon', handle, ...more], '', environment);
    expect((await abandon()).stderr).toMatch(/its pool has it as of \d{4}-.*say --yes/);
    expect(await abandon('--yes')).toMatchObject({ code: 0 });
    await user.leave(handle);
    expect(await disks['a']?.aside()).toEqual([expect.stringMatching(/^main\.given-up\.\d{8}T\d{6}Z$/)]);
    await network.connect();
    // The turn is given back as soon as the pool answers.
    const next = userOf(b);
    await waitFor(
      'the other node to get it',
      () =>
        next.stage(handle, mounted()).then(
          () => true as const,
          () => undefined,
        ),
      { timeoutMs: 180_000 },
    );
    expect(await readFile(join(await next.publish(handle, mounted()), 'file'), 'utf8')).toBe('synced');
    await next.leave(handle);
    await userOf(controller).remove(handle);
    await mustRun('rm', ['-r', join(disks['a']?.path ?? '', '.aside')]);
  });

  it.each(['wait', 'takeover'] as const)(
    'cut off, onNodeLoss: %s: what it writes later never becomes the volume, and is kept aside',
    async (onNodeLoss) => {
      const [lost, next] = [userOf(a), userOf(b)];
      const handle = await create(onNodeLoss, { onNodeLoss });
      const path = await lost.use(handle, shared);
      await writeFile(join(path, 'file'), 'before');
      const written = Date.now();
      await waitFor('the sync', async () => ((await syncedTo(handle)) > written ? true : undefined));
      await network.cut();
      await writeFile(join(path, 'file'), 'lost');
      await mustRun('sync', ['-f', path]);
      if (onNodeLoss === 'wait') {
        await expectStatus(next.stage(handle, mounted()), 'FAILED_PRECONDITION', /in use by node a/);
        const release = await kayal(controller.directory, ['volume', 'release', handle, '--node', 'a', '--yes']);
        expect(release).toMatchObject({ code: 0 });
      } else {
        await expectStatus(next.stage(handle, mounted()), 'FAILED_PRECONDITION', /said nothing for 60 s/);
        await waitFor(
          'the other node to take it over',
          () =>
            next.stage(handle, mounted()).then(
              () => true as const,
              () => undefined,
            ),
          { timeoutMs: 180_000, intervalMs: 2_000 },
        );
      }
      const theirs = await next.use(handle, mounted());
      expect(await readFile(join(theirs, 'file'), 'utf8')).toBe('before');
      await writeFile(join(theirs, 'file'), 'newer');

      await network.connect();
      await waitFor(
        'the lost node to notice',
        async () => ((await abnormal(a, handle)).includes('taken over') ? true : undefined),
        {
          timeoutMs: 180_000,
        },
      );
      await writeFile(join(path, 'file'), 'later');
      await expectStatus(lost.publish(handle, shared, { pod: 'again' }), 'FAILED_PRECONDITION', /./);
      await lost.leave(handle);
      const [aside] = (await disks['a']?.aside()) ?? [];
      expect(aside).toMatch(new RegExp(`^main\\.${onNodeLoss}\\.`));
      expect(await readFile(join(theirs, 'file'), 'utf8')).toBe('newer');
      await next.leave(handle);
      expect(await readFile(join(await lost.use(handle, shared), 'file'), 'utf8')).toBe('newer');
      await lost.leave(handle);
      // What was kept is the filesystem as the lost node's pods left it.
      const kept = join(disks['a']?.path ?? '', '.aside', aside ?? '');
      const look = await mkdtemp(join(directory, 'look-'));
      await mustRun('mount', ['-o', 'loop', join(kept, 'image.1'), look]);
      try {
        expect(await readFile(join(look, 'file'), 'utf8')).toBe('later');
      } finally {
        await mustRun('umount', [look]);
      }
      await mustRun('rm', ['-r', join(disks['a']?.path ?? '', '.aside')]);
      await userOf(controller).remove(handle);
    },
  );

  it('is on one node at a time, however often both try at once', async () => {
    const handle = await create('rivals');
    const users = [userOf(a), userOf(b)];
    const exclusive = mounted();
    for (let round = 0; round < 5; round++) {
      const outcomes = await Promise.allSettled(users.map((user) => user.stage(handle, exclusive)));
      const winners = users.filter((_, index) => outcomes[index]?.status === 'fulfilled');
      expect(winners).toHaveLength(1);
      const [winner] = winners;
      const path = (await winner?.publish(handle, exclusive)) ?? '';
      expect((await readdir(path)).filter((name) => name.startsWith('r'))).toHaveLength(round);
      await writeFile(join(path, `r${round}`), '');
      await winner?.unpublish(handle);
      for (const user of users) await user.unstage(handle);
    }
    const metrics = await servedMetrics(driverPaths(b.directory).log);
    expect(metrics).not.toMatch(/^kayal_hybrid_behind\{/m);
    await retried(() => controller.client.controller.DeleteVolume({ volume_id: handle }));
  });
});
