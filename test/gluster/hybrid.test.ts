import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loopDevices } from '../../src/linux/loop-devices.js';
import { Driver, driverPaths, managedPool, type DriverOptions } from '../lib/driver.js';
import { hybridDirectory, type HybridDirectory } from '../lib/hybrid-directory.js';
import { kayal } from '../lib/kayal.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { servedMetrics } from '../lib/metrics.js';
import { MiB, expectStatus, retried } from '../lib/requests.js';
import { describeTree, fillRichTree } from '../lib/rich-tree.js';
import { mustRun, runCommand } from '../lib/run-command.js';
import { VolumeUser, block, mounted } from '../lib/volume-user.js';
import { sleep, waitFor } from '../lib/wait.js';

/** Whether this machine lets root grow a mounted ext4: the kernel asks for CAP_SYS_RESOURCE (24), which some sandboxes take away. */
const growsExt4 = ((): boolean => {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${effective}`) & (1n << 24n)) !== 0n;
})();

/** One node, and a pool of three bricks whose limits GlusterFS keeps, or a directory. */
describe.each(['directory', 'managed'] as const)('hybrid volumes on a %s pool', { timeout: 300_000 }, (type) => {
  let directory: string;
  let disk: HybridDirectory;
  let base: LoopDirectory | undefined;
  let driver: Driver;
  let user: VolumeUser;
  let options: DriverOptions;
  const used: string[] = [];
  const shared = mounted('MULTI_NODE_MULTI_WRITER');

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'h-'));
    disk = await hybridDirectory(directory, 'hybrid');
    if (type === 'directory') base = await loopDirectory(directory, 'main', 2_048, 'xfs');
    options = {
      directory,
      env: disk.env,
      metricsAddress: '127.0.0.1:0',
      pools: [
        type === 'managed'
          ? await managedPool(directory, 'main', { quota: 'gluster' })
          : { name: 'main', type: 'directory', path: join(directory, 'main'), shared: true, quota: 'none' },
      ],
    };
    driver = await Driver.start(options);
    user = new VolumeUser(directory, () => driver);
  });

  afterAll(async () => {
    await driver?.stop();
    await disk?.remove();
    await base?.remove();
  });

  afterEach(async () => {
    for (const handle of used.splice(0)) {
      await user.leave(handle);
      await user.remove(handle);
    }
    const left = (await loopDevices()).filter(({ file }) => file.startsWith(`${disk.path}/`));
    expect(left).toEqual([]);
  });

  const create = async (name: string, sizeMiB: number, more: Record<string, string> = {}): Promise<string> => {
    const parameters = { volumeType: 'hybrid', ...more };
    const handle = await user.create(name, { sizeMiB, capability: shared, parameters });
    used.push(handle);
    return handle;
  };
  const poolPath = async (handle: string): Promise<string> => {
    const { volume } = await driver.client.controller.ControllerGetVolume({ volume_id: handle });
    const root =
      type === 'directory' ? join(directory, 'main') : join(driverPaths(directory).stateDir, 'control', 'main', 'mnt');
    return join(root, volume?.volume_context['path'] ?? '');
  };
  const states = async (handle: string): Promise<string[]> =>
    (await readdir(await poolPath(handle))).filter((name) => name.startsWith('state.')).sort();
  const condition = async (handle: string) =>
    (await driver.client.node.NodeGetVolumeStats({ volume_id: handle, volume_path: user.target(handle) }))
      .volume_condition;

  it('keeps everything: on the node, in the pool, and on a node that never had it', async () => {
    const handle = await create('rich', 96, { syncInterval: '1h', uid: '1000', gid: '1001', mode: '0750' });
    const path = await user.use(handle, shared);
    const { uid, gid, mode } = await stat(path);
    expect([uid, gid, mode & 0o7777]).toEqual([1000, 1001, 0o750]);
    await fillRichTree(path, { acl: true });
    const original = await describeTree(path);
    await user.leave(handle);
    expect(await states(handle)).toHaveLength(1);

    const reused = await user.use(handle, shared);
    expect(await describeTree(reused)).toBe(original);
    await user.leave(handle);
    await disk.forget(handle);
    const filled = await user.use(handle, shared);
    expect(await describeTree(filled)).toBe(original);
    expect((await stat(join(filled, 'sparse'))).blocks * 512).toBeLessThan(5 * MiB);

    // Renames, deletions, another type under the same name, a change in the middle of a file.
    const script = `
      set -e
      mv deep/er elsewhere; rm -r m1; rm link; mkdir link; echo in > link/file; rm small; mv m2/3 small
      printf changed | dd of=large bs=1 seek=5000000 conv=notrunc status=none; truncate -s 100 sparse; chmod 0700 m3`;
    await mustRun('bash', ['-c', script], { cwd: filled });
    const changed = await describeTree(filled);
    await user.leave(handle);
    const sizes = await Promise.all(
      (await states(handle)).map(async (name) => (await stat(join(await poolPath(handle), name))).size),
    );
    expect(sizes.length).toBeGreaterThan(1);
    // What was rewritten of 12 MiB is a few blocks, and moving a directory is another few.
    expect(sizes.at(-1)).toBeLessThan((sizes[0] ?? 0) / 8);
    console.log(`${type}: states of ${sizes.map((size) => Math.round(size / 1024)).join(', ')} KiB`);
    await disk.forget(handle);
    expect(await describeTree(await user.use(handle, shared))).toBe(changed);
  });

  it('stops its user at its size, and takes no more of the node than that', async () => {
    const handle = await create('full', 64, { syncInterval: '1h' });
    const path = await user.use(handle, shared);
    const { stderr } = await runCommand('dd', ['if=/dev/urandom', `of=${join(path, 'full')}`, 'bs=1M', 'conv=fsync']);
    expect(stderr).toContain('No space left');
    const image = await stat(join(disk.path, handle, 'image.1'));
    expect(image.size).toBe(64 * MiB);
    expect(image.blocks * 512).toBeLessThanOrEqual(64 * MiB + 64 * 1024);
    const stats = await driver.client.node.NodeGetVolumeStats({ volume_id: handle, volume_path: path });
    expect(stats.volume_condition).toMatchObject({ abnormal: true });
    expect(stats.volume_condition?.message).toContain('are used');
    const sum = (await mustRun('sha256sum', [join(path, 'full')])).slice(0, 64);
    await user.unpublish(handle);
    // It is full, and written anew as a whole, time and again: the pool has room for that.
    for (let round = 0; round < 4; round++) {
      const again = await user.publish(handle, shared);
      await mustRun('dd', ['if=/dev/urandom', `of=${join(again, 'full')}`, 'bs=1M', 'count=40', 'conv=notrunc,fsync']);
      await user.unpublish(handle);
    }
    await user.unstage(handle);
    const last = await user.use(handle, shared);
    const now = (await mustRun('sha256sum', [join(last, 'full')])).slice(0, 64);
    expect(now).not.toBe(sum);
    await user.leave(handle);
    await disk.forget(handle);
    const filled = await user.use(handle, shared);
    expect((await mustRun('sha256sum', [join(filled, 'full')])).slice(0, 64)).toBe(now);
  });

  it('is synced while it is written to, and not while nothing changes', async () => {
    const handle = await create('steady', 64, { syncInterval: '1s' });
    const path = await user.use(handle, shared);
    await writeFile(join(path, 'first'), 'one');
    const first = await waitFor('the first state', async () => (await states(handle)).at(-1));
    await writeFile(join(path, 'second'), 'two');
    await waitFor('another state', async () => ((await states(handle)).at(-1) === first ? undefined : true));
    // The filesystem's own work after it was made ends.
    let last: string[] = [];
    await waitFor(
      'the states to stay',
      async () => {
        const before = await states(handle);
        await sleep(5_000);
        last = await states(handle);
        return JSON.stringify(before) === JSON.stringify(last) ? true : undefined;
      },
      { timeoutMs: 120_000 },
    );
    expect(await condition(handle)).toMatchObject({ abnormal: false });
    const metrics = await servedMetrics(driverPaths(directory).log);
    expect(metrics).toMatch(/^kayal_hybrid_behind\{pool="main",volume="steady"\} 0$/m);
    expect(metrics).toMatch(/^kayal_hybrid_state_timestamp_seconds\{pool="main",volume="steady"\} \d/m);
    const listed = await kayal(directory, ['volumes', '-o', 'json']);
    const rows = JSON.parse(listed.stdout) as { handle: string; syncedTo?: string }[];
    expect(Date.parse(rows.find((row) => row.handle === handle)?.syncedTo ?? '')).toBeGreaterThan(Date.now() - 300_000);
    expect((await kayal(directory, ['volumes'])).stdout).toMatch(/SYNCED\n[^]*steady .* ago\n/);
  });

  it('grows in use, is cloned and has snapshots', async () => {
    const handle = await create('source', 32, { syncInterval: '1h' });
    const path = await user.use(handle, shared);
    await writeFile(join(path, 'file'), 'content');
    // Its node is asked to sync first.
    const taken = await retried(
      () => driver.client.controller.CreateSnapshot({ name: 'of-hybrid', source_volume_id: handle }),
      240_000,
    );
    expect(taken.snapshot).toMatchObject({ ready_to_use: true, size_bytes: String(32 * MiB) });
    await writeFile(join(path, 'file'), 'newer');
    if (growsExt4) {
      expect(await user.expand(handle, 48)).toBe(true);
      const size = Number((await mustRun('df', ['--output=size', '-B1', path])).trim().split('\n')[1]);
      expect(size).toBeGreaterThan(32 * MiB);
    }
    await user.leave(handle);
    await disk.forget(handle);
    expect(await readFile(join(await user.use(handle, shared), 'file'), 'utf8')).toBe('newer');

    const parameters = { volumeType: 'hybrid' };
    const source = { snapshot: { snapshot_id: taken.snapshot?.snapshot_id ?? '' } };
    const restored = await user.create('restored', { sizeMiB: 32, capability: shared, parameters, source });
    used.push(restored);
    // Each takes three times its size of the pool.
    const theirs = await user.use(restored, shared);
    expect(await readFile(join(theirs, 'file'), 'utf8')).toBe('content');
    await writeFile(join(theirs, 'file'), 'restored');
    await user.leave(restored);
    await disk.forget(restored);
    expect(await readFile(join(await user.use(restored, shared), 'file'), 'utf8')).toBe('restored');
    await user.leave(restored);
    await user.remove(restored);
    used.splice(used.indexOf(restored), 1);
    await writeFile(join(user.target(handle), 'file'), 'newest');
    const wish = { sizeMiB: 64, capability: shared, source: { volume: { volume_id: handle } } };
    const clone = await user.create('clone', { ...wish, parameters });
    used.push(clone);
    expect(await readFile(join(await user.use(clone, shared), 'file'), 'utf8')).toBe('newest');
    await expectStatus(user.create('plain', wish), 'INVALID_ARGUMENT', /a hybrid volume .* cannot be made from it/);
    await retried(() => driver.client.controller.DeleteSnapshot({ snapshot_id: 'main/of-hybrid' }));
  });

  it('goes on where it was after kill -9, with what was not synced', async () => {
    const handle = await create('killed', 64, { syncInterval: '1h' });
    const path = await user.use(handle, shared);
    await writeFile(join(path, 'before'), '1');
    await driver.kill();
    await writeFile(join(path, 'meanwhile'), '2');
    driver = await Driver.start(options);
    await writeFile(join(path, 'after'), '3');
    await user.leave(handle);
    await disk.forget(handle);
    expect((await readdir(await user.use(handle, shared))).sort()).toEqual([
      'after',
      'before',
      'lost+found',
      'meanwhile',
    ]);
    expect(await disk.aside()).toEqual([]);
  });

  it('brings what a node had that was started anew into the pool, and gives the volume back', async () => {
    const handle = await create('rebooted', 64, { syncInterval: '1h' });
    const path = await user.use(handle, shared);
    await writeFile(join(path, 'file'), 'not synced');
    await driver.kill();
    // What a reboot does to mounts and devices; the disk stays.
    await mustRun('umount', [path]);
    await mustRun('umount', [user.stagingPath(handle)]);
    for (const { number, file } of await loopDevices()) {
      if (file.startsWith(`${disk.path}/`)) await mustRun('losetup', ['-d', `/dev/loop${number}`]);
    }
    driver = await Driver.start(options);
    await waitFor('the state', async () => ((await states(handle)).length > 0 ? true : undefined));
    // Nobody has it now.
    await waitFor('the volume to be free', async () => {
      const answer = await kayal(directory, ['volume', 'release', handle, '--node', 'node-1']);
      return answer.stderr.includes('nor in use there') ? true : undefined;
    });
    await user.leave(handle);
    await disk.forget(handle);
    expect(await readFile(join(await user.use(handle, shared), 'file'), 'utf8')).toBe('not synced');
  });

  it('refuses what cannot be', async () => {
    const wish = { sizeMiB: 64, parameters: { volumeType: 'hybrid' } };
    await expectStatus(user.create('raw', { ...wish, capability: block() }), 'INVALID_ARGUMENT', /take Filesystem/);
    const wrong = { ...wish, capability: shared, parameters: { volumeType: 'hybrid', syncInterval: '2h' } };
    await expectStatus(
      user.create('slow', wrong),
      'INVALID_ARGUMENT',
      /syncInterval: "2h" is not a time from 1s to 1h/,
    );
  });
});

/** A driver with a pool that is a directory, and a volume of 64 MiB. */
async function withDriver(
  fsType: 'ext4' | 'xfs',
  env: Readonly<Record<string, string>>,
  work: (user: VolumeUser, handle: string) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'h-'));
  const disk = await loopDirectory(directory, 'disk', 400, fsType);
  const path = await mkdtemp(join(directory, 'p-'));
  const driver = await Driver.start({
    directory: await mkdtemp(join(directory, 'd-')),
    env: { KAYAL_HYBRID_DIR: join(disk.path, 'hybrid'), ...env },
    pools: [{ name: 'main', type: 'directory', path, shared: true, quota: 'none' }],
  });
  try {
    const user = new VolumeUser(driver.directory, () => driver);
    const wish = { sizeMiB: 64, capability: mounted(), parameters: { volumeType: 'hybrid' } };
    const handle = await user.create('v', wish);
    await work(user, handle);
    await user.unstage(handle);
    await user.remove(handle);
  } finally {
    await driver.stop();
    await disk.remove();
  }
}

it('needs a filesystem whose files can share blocks', { timeout: 120_000 }, async () => {
  await withDriver('ext4', {}, async (user, handle) => {
    await expectStatus(user.stage(handle, mounted()), 'FAILED_PRECONDITION', /XFS .*--hybrid-dir/);
  });
});

it('takes no more of the node than it may', { timeout: 120_000 }, async () => {
  await withDriver('xfs', { KAYAL_HYBRID_SIZE: '200Mi' }, async (user, handle) => {
    const wish = { sizeMiB: 66, capability: mounted(), parameters: { volumeType: 'hybrid' } };
    await user.use(handle, mounted());
    const other = await user.create('other', wish);
    const full =
      /volume main\/other of 66 MiB needs 198 MiB of this node's disk .* 192 MiB are promised to others.*--hybrid-size/;
    await expectStatus(user.stage(other, mounted()), 'RESOURCE_EXHAUSTED', full);
    await user.leave(handle);
    // What nobody uses goes for it.
    await user.use(other, mounted());
    await user.leave(other);
    await user.remove(other);
  });
});
