import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, open, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loopDevices, type LoopDevice } from '../../src/linux/loop-devices.js';
import { readMountinfo } from '../../src/linux/mountinfo.js';
import { Driver, driverPaths, managedPool, type DriverOptions } from '../lib/driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { MiB, expectStatus, retried } from '../lib/requests.js';
import { mustRun, runCommand } from '../lib/run-command.js';
import { VolumeUser, block, mounted } from '../lib/volume-user.js';
import { waitFor } from '../lib/wait.js';

/** Whether this machine lets root grow a mounted ext4: the kernel asks for CAP_SYS_RESOURCE (24), which some sandboxes take away. */
const growsExt4 = ((): boolean => {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${effective}`) & (1n << 24n)) !== 0n;
})();

/** Filesystems in files and raw block volumes, on a directory and through GlusterFS with its own quota. */
describe.each(['directory', 'managed'] as const)('image volumes on a %s pool', { timeout: 240_000 }, (type) => {
  let directory: string;
  let base: LoopDirectory | undefined;
  let driver: Driver;
  let user: VolumeUser;
  let options: DriverOptions;
  const used: string[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'i-'));
    if (type === 'directory') base = await loopDirectory(directory, 'main', 2_048, 'xfs');
    options = {
      directory,
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
    await base?.remove();
  });

  afterEach(async () => {
    for (const handle of used.splice(0)) {
      await user.leave(handle);
      await user.remove(handle);
    }
    expect(await imageDevices()).toEqual([]);
  });

  /** The loop devices on images of this pool. */
  const imageDevices = async (): Promise<LoopDevice[]> =>
    (await loopDevices()).filter(({ file }) => file.startsWith(`${directory}/`) && /\/image\.\d+( |$)/.test(file));
  const create = async (name: string, wish: Parameters<VolumeUser['create']>[1]): Promise<string> => {
    const handle = await user.create(name, wish);
    used.push(handle);
    return handle;
  };
  /** The driver's own view of the pool, as root sees it through a mount of the node. */
  const poolRoot = (): string =>
    type === 'directory'
      ? join(directory, 'main')
      : join(driverPaths(directory).kubeletDir, 'plugins/csi.kayal.storage/pools/main/mnt');
  const imageOf = async (handle: string): Promise<string> => {
    const { volume } = await driver.client.controller.ControllerGetVolume({ volume_id: handle });
    return join(poolRoot(), volume?.volume_context['path'] ?? '', 'image.1');
  };
  const deviceOf = async (handle: string): Promise<string> => {
    const id = handle.slice(handle.indexOf('/') + 1);
    const device = (await imageDevices()).find(({ file }) => file.includes(`/${id}/`));
    return `/dev/loop${device?.number}`;
  };
  const allocated = async (file: string): Promise<number> => (await stat(file)).blocks * 512;
  const sha = async (file: string): Promise<string> => (await mustRun('sha256sum', [file])).slice(0, 64);
  const restart = async (): Promise<void> => {
    await driver.kill();
    driver = await Driver.start(options);
  };

  it.each([
    ['ext4', 64],
    ['xfs', 320],
  ] as const)(
    '%s: holds its size to the last byte, survives, gives space back, and grows in use',
    async (fsType, sizeMiB) => {
      const parameters = { volumeType: 'file', fsType, uid: '1000', gid: '1001', mode: '0750' };
      const handle = await create(`fs-${fsType}`, { sizeMiB, capability: mounted(), parameters });
      const path = await user.use(handle, mounted());
      const image = await imageOf(handle);
      expect((await stat(image)).size).toBe(sizeMiB * MiB);
      expect(await readdir(dirname(image))).toEqual(['image.1']);
      const { uid, gid, mode } = await stat(path);
      expect([uid, gid, mode & 0o7777]).toEqual([1000, 1001, 0o750]);
      expect(await imageDevices()).toMatchObject([{ readOnly: false }]);
      console.log(
        `${type} ${fsType}: direct I/O ${(await imageDevices())[0]?.directIo}, fresh image ${await allocated(image)} bytes`,
      );
      await writeFile(join(path, 'kept'), 'precious');

      const { stderr } = await runCommand('dd', ['if=/dev/urandom', `of=${join(path, 'full')}`, 'bs=1M', 'conv=fsync']);
      expect(stderr).toContain('No space left');
      const size = Number((await mustRun('df', ['--output=size', '-B1', path])).trim().split('\n')[1]);
      expect(size).toBeLessThanOrEqual(sizeMiB * MiB);
      expect(size).toBeGreaterThan(sizeMiB * MiB * 0.7);
      const full = await allocated(image);
      expect(full).toBeGreaterThan(sizeMiB * MiB * 0.75);
      expect(full).toBeLessThanOrEqual(sizeMiB * MiB + 64 * 1024);
      const stats = await driver.client.node.NodeGetVolumeStats({ volume_id: handle, volume_path: path });
      expect(stats.volume_condition?.abnormal).toBe(true);
      expect(stats.volume_condition?.message).toContain('are used');
      expect(Number(stats.usage[0]?.total)).toBe(size);
      expect(Number(stats.usage[1]?.used)).toBeGreaterThan(1);

      await mustRun('rm', [join(path, 'full')]);
      await mustRun('sync', ['-f', path]);
      await waitFor('discarded space to be back in the pool', async () =>
        (await allocated(image)) < full - (sizeMiB * MiB) / 2 ? true : undefined,
      );

      await user.leave(handle);
      expect(await imageDevices()).toEqual([]);
      const uuid = async (): Promise<string> => mustRun('blkid', ['-p', '-s', 'UUID', '-o', 'value', image]);
      const before = await uuid();
      await user.use(handle, mounted());
      expect(await readFile(join(path, 'kept'), 'utf8')).toBe('precious');

      const grows = fsType === 'xfs' || growsExt4;
      if (grows) expect(await user.expand(handle, sizeMiB * 2)).toBe(true);
      else await expectStatus(user.expand(handle, sizeMiB * 2), 'FAILED_PRECONDITION', /CAP_SYS_RESOURCE/);
      expect((await stat(image)).size).toBe(2 * sizeMiB * MiB);
      const grown = Number((await mustRun('df', ['--output=size', '-B1', path])).trim().split('\n')[1]);
      expect(grown > size + sizeMiB * MiB * 0.7).toBe(grows);
      if (grows) await user.expand(handle, sizeMiB);
      expect((await stat(image)).size).toBe(2 * sizeMiB * MiB);
      expect(await readFile(join(path, 'kept'), 'utf8')).toBe('precious');
      await user.leave(handle);
      expect(await uuid()).toBe(before);
      const check = fsType === 'xfs' ? ['xfs_repair', '-n', image] : ['e2fsck', '-fn', image];
      await mustRun(check[0] ?? '', check.slice(1));
      await user.use(handle, mounted());
    },
  );

  it('grows while it is staged nowhere, and its filesystem when it is staged', async () => {
    const parameters = { volumeType: 'file', fsType: 'xfs' };
    const handle = await create('offline', { sizeMiB: 300, capability: mounted(), parameters });
    await user.use(handle, mounted());
    await user.leave(handle);
    const { controller } = driver.client;
    const range = { required_bytes: 400 * MiB };
    const answer = await controller.ControllerExpandVolume({ volume_id: handle, capacity_range: range });
    expect(answer).toMatchObject({ capacity_bytes: String(400 * MiB), node_expansion_required: true });
    const path = await user.use(handle, mounted());
    const size = Number((await mustRun('df', ['--output=size', '-B1', path])).trim().split('\n')[1]);
    expect(size).toBeGreaterThan(320 * MiB);
  });

  it('refuses an image with foreign content, and leaves it as it is', async () => {
    const parameters = { volumeType: 'file' };
    const handle = await create('foreign', { sizeMiB: 32, capability: mounted(), parameters });
    const image = await imageOf(handle);
    await user.stage(await create('opener', { sizeMiB: 32, capability: mounted(), parameters }), mounted());
    const file = await open(image, 'r+');
    await file.write(randomBytes(4096), 0, 4096, 20 * MiB);
    await file.close();
    const before = await sha(image);
    await expectStatus(
      user.stage(handle, mounted()),
      'FAILED_PRECONDITION',
      /should hold ext4, .* holds something else/,
    );
    expect(await sha(image)).toBe(before);
    await mustRun('mkfs.xfs', ['-q', '-f', '-d', 'size=20m', '--unsupported', image]).catch(() =>
      mustRun('dd', ['if=/dev/zero', `of=${image}`, 'bs=1M', 'count=1', 'conv=notrunc']),
    );
    await expectStatus(user.stage(handle, mounted()), 'FAILED_PRECONDITION', /neither formatted nor mounted/);
    expect(await readdir(dirname(image))).toEqual(['image.1']);
  });

  it('shows a raw block device, which can be filled to its last byte, read-only too', async () => {
    const handle = await create('raw', { sizeMiB: 24, capability: block() });
    const device = await user.use(handle, block());
    expect((await stat(device)).isBlockDevice()).toBe(true);
    expect(Number(await mustRun('blockdev', ['--getsize64', device]))).toBe(24 * MiB);
    const content = randomBytes(24 * MiB);
    const file = await open(device, 'r+');
    await file.write(content);
    await file.sync();
    await file.close();
    const stats = await driver.client.node.NodeGetVolumeStats({ volume_id: handle, volume_path: device });
    expect(stats).toMatchObject({ usage: [{ unit: 'BYTES', total: String(24 * MiB) }] });
    expect(stats.volume_condition?.abnormal).toBe(false);
    await expectStatus(
      user.publish(handle, block(), { pod: 'reader', readonly: true }),
      'FAILED_PRECONDITION',
      /read-write at/,
    );
    await user.unpublish(handle);

    const readOnly = await user.publish(handle, block(), { readonly: true });
    const refused = await runCommand('dd', [
      'if=/dev/zero',
      `of=${readOnly}`,
      'bs=4k',
      'count=1',
      'conv=notrunc,fsync',
    ]);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/not permitted|Read-only|denied/);
    expect((await readFile(readOnly)).equals(content)).toBe(true);
    await user.leave(handle);
    const again = await user.use(handle, block());
    expect((await readFile(again)).equals(content)).toBe(true);

    expect(await user.expand(handle, 40)).toBe(true);
    expect(Number(await mustRun('blockdev', ['--getsize64', again]))).toBe(40 * MiB);
    const full = await allocated(await imageOf(handle));
    await mustRun('blkdiscard', ['-f', '-o', '0', '-l', String(16 * MiB), again]);
    await waitFor('discarded space to be back in the pool', async () =>
      (await allocated(await imageOf(handle))) <= full - 15 * MiB ? true : undefined,
    );
    const wanted = Buffer.concat([Buffer.alloc(16 * MiB), content.subarray(16 * MiB)]);
    expect((await readFile(again)).subarray(0, 24 * MiB).equals(wanted)).toBe(true);
  });

  it('is read-only for readers, and for one pod alone where that is asked for', async () => {
    const parameters = { volumeType: 'file' };
    const handle = await create('modes', { sizeMiB: 32, capability: mounted(), parameters });
    const path = await user.use(handle, mounted());
    await writeFile(join(path, 'file'), 'content');
    const second = await user.publish(handle, mounted(), { pod: 'second', readonly: true });
    expect(await readFile(join(second, 'file'), 'utf8')).toBe('content');
    await expect(writeFile(join(second, 'other'), '')).rejects.toThrow('EROFS');
    await user.publish(handle, mounted());
    await expectStatus(user.publish(handle, mounted(), { readonly: true }), 'ALREADY_EXISTS', /with other options/);
    const alone = mounted('SINGLE_NODE_SINGLE_WRITER');
    await expectStatus(user.publish(handle, alone, { pod: 'third' }), 'FAILED_PRECONDITION', /one pod only/);
    await expectStatus(user.unstage(handle), 'FAILED_PRECONDITION', /is published at/);
    await user.unpublish(handle, 'second');
    await user.leave(handle);
    const reader = mounted('SINGLE_NODE_READER_ONLY');
    await user.stage(handle, reader);
    const read = await user.publish(handle, reader);
    await expect(writeFile(join(read, 'other'), '')).rejects.toThrow('EROFS');
    await expectStatus(user.stage(handle, mounted()), 'ALREADY_EXISTS', /staged at .* read-only/);
  });

  it('goes on after a kill -9 of the driver, with the one loop device', async () => {
    const parameters = { volumeType: 'file' };
    const handle = await create('crash', { sizeMiB: 32, capability: mounted(), parameters });
    const raw = await create('crash-raw', { sizeMiB: 8, capability: block() });
    const path = await user.use(handle, mounted());
    const device = await user.use(raw, block());
    const before = (await imageDevices()).map(({ number, file }) => ({ number, file }));
    expect(before).toHaveLength(2);
    await writeFile(join(path, 'file'), 'content');
    await restart();
    await user.stage(handle, mounted());
    await user.stage(raw, block());
    await user.publish(handle, mounted());
    await user.publish(raw, block());
    expect((await imageDevices()).map(({ number, file }) => ({ number, file }))).toEqual(before);
    expect(await readFile(join(path, 'file'), 'utf8')).toBe('content');
    expect((await stat(device)).isBlockDevice()).toBe(true);
    expect(await user.expand(raw, 16)).toBe(true);
    await restart();
    await user.leave(raw);
    await user.leave(handle);
    expect(await imageDevices()).toEqual([]);
    const leases = await mustRun('find', [join(poolRoot(), '.kayal/leases/images'), '-name', 'crash*.json']).catch(
      () => '',
    );
    expect(leases).toBe('');
    await user.use(handle, mounted());
    await user.use(raw, block());
    expect(await readFile(join(path, 'file'), 'utf8')).toBe('content');
  });

  it('is copied whole: a snapshot, a larger restore, a clone of a raw device', async () => {
    const parameters = { volumeType: 'file' };
    const handle = await create('source', { sizeMiB: 32, capability: mounted(), parameters });
    const path = await user.use(handle, mounted());
    await writeFile(join(path, 'file'), randomBytes(3 * MiB));
    await mustRun('sync', ['-f', path]);
    const sum = await sha(join(path, 'file'));
    const { controller } = driver.client;
    await retried(() => controller.CreateSnapshot({ name: 'image-snap', source_volume_id: handle }));
    const source = { snapshot: { snapshot_id: 'main/image-snap' } };
    const restored = await create('restored', { sizeMiB: 64, capability: mounted(), parameters, source });
    const target = await user.use(restored, mounted());
    expect(await sha(join(target, 'file'))).toBe(sum);
    const size = Number((await mustRun('df', ['--output=size', '-B1', target])).trim().split('\n')[1]);
    expect(size > 50 * MiB).toBe(growsExt4);
    expect(Number(await mustRun('blockdev', ['--getsize64', await deviceOf(restored)]))).toBe(64 * MiB);
    expect(await allocated(await imageOf(restored))).toBeLessThan(24 * MiB);
    await expectStatus(
      user.create('torn', { sizeMiB: 64, capability: block(), source }),
      'INVALID_ARGUMENT',
      /is of a filesystem in a file .* a raw block volume .* cannot be made from it/,
    );
    await retried(() => controller.DeleteSnapshot({ snapshot_id: 'main/image-snap' }));

    const raw = await create('raw-source', { sizeMiB: 8, capability: block() });
    const device = await user.use(raw, block());
    const content = randomBytes(8 * MiB);
    const file = await open(device, 'r+');
    await file.write(content);
    await file.sync();
    await file.close();
    const clone = await create('raw-clone', {
      sizeMiB: 8,
      capability: block(),
      source: { volume: { volume_id: raw } },
    });
    expect((await readFile(await user.use(clone, block()))).equals(content)).toBe(true);
  });

  it('never copies an image of several moments', async () => {
    const raw = await create('busy', { sizeMiB: 16, capability: block() });
    const device = await user.use(raw, block());
    const script = 'while dd if=/dev/urandom of="$0" bs=1M count=16 conv=notrunc oflag=dsync status=none; do :; done';
    const writer = spawn('bash', ['-c', script, device], { stdio: 'ignore', detached: true });
    try {
      const { controller } = driver.client;
      const take = () => controller.CreateSnapshot({ name: 'busy-snap', source_volume_id: raw });
      if (type === 'directory') {
        const { snapshot } = await retried(take);
        expect(snapshot?.ready_to_use).toBe(true);
        await retried(() => controller.DeleteSnapshot({ snapshot_id: 'main/busy-snap' }));
      } else await expectStatus(retried(take, 120_000), 'FAILED_PRECONDITION', /written to all the while/);
    } finally {
      // With the dd that it is waiting for.
      process.kill(-(writer.pid ?? 0), 'SIGKILL');
      await once(writer, 'exit');
    }
  });

  it('says what cannot be asked for', async () => {
    const { controller, node } = driver.client;
    const parameters = { volumeType: 'file' };
    const shared = mounted('MULTI_NODE_MULTI_WRITER');
    const ask = (name: string, wish: Parameters<VolumeUser['create']>[1]): Promise<string> => user.create(name, wish);
    await expectStatus(
      ask('x', { sizeMiB: 32, capability: shared, parameters }),
      'INVALID_ARGUMENT',
      /one node at a time/,
    );
    await expectStatus(
      ask('x', { sizeMiB: 8, capability: block('MULTI_NODE_MULTI_WRITER') }),
      'INVALID_ARGUMENT',
      /one node at a time/,
    );
    await expectStatus(
      ask('x', {
        sizeMiB: 32,
        capability: mounted('SINGLE_NODE_WRITER', 'xfs'),
        parameters: { ...parameters, fsType: 'ext4' },
      }),
      'INVALID_ARGUMENT',
      /xfs is asked for, the volume's is ext4/,
    );
    await expectStatus(
      controller.CreateVolume({
        name: 'x',
        capacity_range: { required_bytes: 32 * MiB, limit_bytes: 64 * MiB },
        volume_capabilities: [mounted()],
        parameters: { ...parameters, fsType: 'xfs' },
      }),
      'OUT_OF_RANGE',
      /the smallest xfs volume .* has 314572800 bytes/,
    );
    const raw = await create('raw', { sizeMiB: 8, capability: block() });
    await expectStatus(ask('raw', { sizeMiB: 8, capability: mounted() }), 'ALREADY_EXISTS', /it is a raw block volume/);
    const verdict = await controller.ValidateVolumeCapabilities({ volume_id: raw, volume_capabilities: [mounted()] });
    expect(verdict).toMatchObject({
      confirmed: null,
      message: expect.stringContaining('a mount is asked for') as string,
    });
    await expectStatus(user.stage(raw, mounted()), 'INVALID_ARGUMENT', /a mount is asked for/);
    await expectStatus(user.publish(raw, block()), 'FAILED_PRECONDITION', /not staged/);
    const directoryVolume = await create('plain', { sizeMiB: 8, capability: mounted() });
    await expectStatus(user.stage(directoryVolume, block()), 'INVALID_ARGUMENT', /the volume is a directory/);
    const expand = (volume_id: string, volume_path: string) => node.NodeExpandVolume({ volume_id, volume_path });
    await expectStatus(expand('', '/x'), 'INVALID_ARGUMENT', /no volume_id/);
    await expectStatus(expand(raw, ''), 'INVALID_ARGUMENT', /no volume_path/);
    await expectStatus(expand('main/none', '/x'), 'NOT_FOUND', /does not exist/);
    await expectStatus(expand(raw, '/x'), 'FAILED_PRECONDITION', /not staged/);
    expect(await expand(directoryVolume, '/x')).toMatchObject({ capacity_bytes: String(8 * MiB) });
    expect((await readMountinfo()).filter(({ target }) => target.startsWith(user.stagingPath(raw)))).toEqual([]);
  });
});
