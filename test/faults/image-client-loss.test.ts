import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loopDevices, type LoopDevice } from '../../src/linux/loop-devices.js';
import { Driver, driverPaths } from '../lib/driver.js';
import { singleBrickPool } from '../lib/pool-configs.js';
import { expectStatus } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';
import { sleep, waitFor } from '../lib/wait.js';
import { VolumeUser, block, mounted } from '../lib/volume-user.js';

/** What becomes of images when the GlusterFS client below their loop devices ends, or nothing else needs it. */
describe('images and the GlusterFS client', { timeout: 240_000 }, () => {
  let directory: string;
  let driver: Driver;
  let user: VolumeUser;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'il-'));
    driver = await Driver.start({ directory, pools: [await singleBrickPool(directory, 'main', { quota: 'none' })] });
    user = new VolumeUser(directory, () => driver);
  });

  afterAll(async () => {
    await driver?.stop();
  });

  const clientPid = async (): Promise<number> => {
    const { kubeletDir } = driverPaths(directory);
    const text = await readFile(join(kubeletDir, 'plugins/csi.kayal.storage/pools/main/client.pid'), 'utf8');
    return (JSON.parse(text) as { pid: number }).pid;
  };
  const devices = async (): Promise<LoopDevice[]> =>
    (await loopDevices()).filter(({ file }) => /\/(fs|raw)\/image\.1$/.test(file));
  const stats = (handle: string) =>
    driver.client.node.NodeGetVolumeStats({ volume_id: handle, volume_path: user.target(handle) });

  it('keeps the client as long as a raw block volume alone needs it', async () => {
    const raw = await user.create('raw', { sizeMiB: 8, capability: block() });
    await user.stage(raw, block());
    const pid = await clientPid();
    // Longer than the grace after the last use of a pool.
    await sleep(12_000);
    expect(await clientPid()).toBe(pid);
    const device = await user.publish(raw, block());
    expect((await readFile(device)).equals(Buffer.alloc(8 * 1024 * 1024))).toBe(true);
    await user.leave(raw);
    await user.remove(raw);
  });

  it('reports volumes whose client died, attaches them nowhere twice, and starts anew after the last pod', async () => {
    const parameters = { volumeType: 'file' };
    const fs = await user.create('fs', { sizeMiB: 32, capability: mounted(), parameters });
    const raw = await user.create('raw', { sizeMiB: 8, capability: block() });
    const path = await user.use(fs, mounted());
    const device = await user.use(raw, block());
    await writeFile(join(path, 'file'), 'synced');
    await mustRun('sync', ['-f', path]);
    expect(await devices()).toHaveLength(2);
    const pid = await clientPid();
    process.kill(pid, 'SIGKILL');
    for (const handle of [fs, raw]) {
      await waitFor(`${handle} to be abnormal`, async () => {
        const { volume_condition } = await stats(handle);
        return volume_condition?.abnormal === true && /GlusterFS client .* is gone/.test(volume_condition.message)
          ? true
          : undefined;
      });
    }
    await expect(readFile(device)).rejects.toThrow(/EIO/);
    await expectStatus(user.publish(fs, mounted(), { pod: 'new' }), 'UNAVAILABLE', /delete all its pods on this node/);
    await expectStatus(user.stage(fs, mounted()), 'FAILED_PRECONDITION', /is still mounted at .* which is of no use/);
    expect(await devices()).toHaveLength(2);
    for (const handle of [fs, raw]) await user.leave(handle);
    expect(await devices()).toEqual([]);
    expect(await readFile(join(await user.use(fs, mounted()), 'file'), 'utf8')).toBe('synced');
    expect((await readFile(await user.use(raw, block()))).length).toBe(8 * 1024 * 1024);
    expect((await stats(fs)).volume_condition?.abnormal).toBe(false);
    for (const handle of [fs, raw]) {
      await user.leave(handle);
      await user.remove(handle);
    }
  });
});
