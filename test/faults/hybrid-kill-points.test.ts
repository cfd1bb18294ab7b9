import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loopDevices } from '../../src/linux/loop-devices.js';
import { hybridDirectory, type HybridDirectory } from '../lib/hybrid-directory.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { availableBytes } from '../lib/open-driver.js';
import { directoryPool } from '../lib/pool-configs.js';
import { MiB, retried } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';
import { VolumeUser, mounted } from '../lib/volume-user.js';
import { waitFor } from '../lib/wait.js';
import { FILE_TIMEOUT_MS } from '../runner/long.js';

const POOL = 'lagoon';
const HANDLE = `${POOL}/v`;
const WISH = {
  sizeMiB: 24,
  capability: mounted(),
  parameters: { volumeType: 'hybrid', syncInterval: '1h' },
};

/** kill -9 before and after state-changing system calls of a hybrid volume's life; then a retry. */
describe('kill -9 between two steps of a hybrid volume', () => {
  let directory: string;
  let disk: LoopDirectory;
  let copies: HybridDirectory;
  let driver: KillableDriver;
  let user: VolumeUser;
  let written = 0;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hk-'));
    disk = await loopDirectory(directory, 'disk', 256);
    copies = await hybridDirectory(directory, 'copies', 512);
    const pools = [directoryPool(POOL, disk.path)];
    driver = await KillableDriver.start({ directory, role: 'all', pools, env: copies.env });
    user = new VolumeUser(directory, () => driver.driver);
  });

  afterAll(async () => {
    await driver?.stop();
    await copies?.remove();
    await disk?.remove();
  });

  const attached = async (): Promise<string[]> =>
    (await loopDevices()).map(({ file }) => file).filter((file) => file.startsWith(`${copies.path}/`));
  const removed = async (before: number): Promise<void> => {
    await user.remove(HANDLE);
    await waitFor('the trash to be purged', async () =>
      (await readdir(join(disk.path, '.kayal/trash'))).length === 0 ? true : undefined,
    );
    expect(Math.abs((await availableBytes(driver, POOL)) - before)).toBeLessThan(MiB);
  };
  /** Writes two files that belong together, each state has both or none. */
  const write = async (path: string): Promise<void> => {
    written++;
    for (const name of ['one', 'two']) await writeFile(join(path, name), `${written} `.repeat(20_000));
  };
  /** A node that never had the volume has all of it. */
  const expectInPool = async (): Promise<void> => {
    await copies.forget(HANDLE);
    const path = await user.use(HANDLE, mounted());
    for (const name of ['one', 'two']) {
      expect((await readFile(join(path, name), 'utf8')).slice(0, 10)).toBe(`${written} `.repeat(20).slice(0, 10));
    }
    await user.leave(HANDLE);
    expect(await attached()).toEqual([]);
    expect(await copies.aside()).toEqual([]);
  };

  it(
    'loses nothing that was written, and leaves nothing attached',
    async () => {
      const before = await availableBytes(driver, POOL);
      await user.create('v', WISH);
      const staging = { volume_id: HANDLE, staging_target_path: user.stagingPath(HANDLE) };
      await mustRun('mkdir', ['-p', user.stagingPath(HANDLE)]);
      const stage = (): Promise<unknown> =>
        driver.client.node.NodeStageVolume({ ...staging, volume_capability: mounted() });
      const staged = await driver.killEverywhere({
        what: 'NodeStageVolume, hybrid, empty',
        call: stage,
        check: async () => {
          await write(await user.use(HANDLE, mounted()));
          await user.leave(HANDLE);
          await expectInPool();
          await removed(before);
          await copies.forget(HANDLE);
          await user.create('v', WISH);
        },
        most: 2,
      });

      await write(await user.use(HANDLE, mounted()));
      await user.leave(HANDLE);
      await copies.forget(HANDLE);
      const filled = await driver.killEverywhere({
        what: 'NodeStageVolume, hybrid, from its pool',
        call: stage,
        check: async () => {
          const path = await user.use(HANDLE, mounted());
          expect((await readFile(join(path, 'two'), 'utf8')).length).toBeGreaterThan(20_000);
          await write(path);
          await user.leave(HANDLE);
          await expectInPool();
          await copies.forget(HANDLE);
        },
        most: 2,
      });

      await write(await user.use(HANDLE, mounted()));
      const target = { volume_id: HANDLE, target_path: user.target(HANDLE) };
      const synced = await driver.killEverywhere({
        what: 'NodeUnpublishVolume, hybrid',
        call: () => driver.client.node.NodeUnpublishVolume(target),
        check: async () => {
          await user.leave(HANDLE);
          await expectInPool();
          await write(await user.use(HANDLE, mounted()));
        },
        most: 3,
      });
      await user.unpublish(HANDLE);
      const unstaged = await driver.killEverywhere({
        what: 'NodeUnstageVolume, hybrid',
        call: () => driver.client.node.NodeUnstageVolume(staging),
        check: async () => {
          await user.unstage(HANDLE);
          await expectInPool();
          await write(await user.use(HANDLE, mounted()));
          await user.unpublish(HANDLE);
        },
        most: 2,
      });
      await retried(() => user.unstage(HANDLE));
      await removed(before);
      const figures = Object.entries({ stage: staged, fill: filled, sync: synced, unstage: unstaged });
      console.log(
        `kill -9 at ${figures.map(([name, { visited, all }]) => `${visited} of ${all} points of ${name}`).join(', ')}`,
      );
      expect(staged.all).toBeGreaterThan(20);
      expect(filled.all).toBeGreaterThan(20);
      expect(synced.all).toBeGreaterThan(10);
      expect(unstaged.all).toBeGreaterThan(6);
    },
    FILE_TIMEOUT_MS,
  );
});
