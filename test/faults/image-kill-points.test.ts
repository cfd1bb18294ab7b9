import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loopDevices } from '../../src/linux/loop-devices.js';
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
const SIZE_MIB = 24;
const WISH = { sizeMiB: SIZE_MIB, capability: mounted(), parameters: { volumeType: 'file' } };

/** kill -9 before and after state-changing system calls of an image volume's life; then a retry. */
describe('kill -9 between two steps of an image volume', () => {
  let directory: string;
  let disk: LoopDirectory;
  let driver: KillableDriver;
  let user: VolumeUser;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ik-'));
    disk = await loopDirectory(directory, 'disk', 128);
    driver = await KillableDriver.start({ directory, role: 'all', pools: [directoryPool(POOL, disk.path)] });
    user = new VolumeUser(directory, () => driver.driver);
  });

  afterAll(async () => {
    await driver?.stop();
    await disk?.remove();
  });

  const images = async (): Promise<string[]> =>
    (await loopDevices()).map(({ file }) => file).filter((file) => file.startsWith(`${disk.path}/`));
  const imagePath = async (): Promise<string> => {
    const { volume } = await driver.client.controller.ControllerGetVolume({ volume_id: HANDLE });
    return join(disk.path, volume?.volume_context['path'] ?? '');
  };
  const create = (): Promise<string> => user.create('v', WISH);
  const removed = async (before: number): Promise<void> => {
    await user.remove(HANDLE);
    await waitFor('the trash to be purged', async () =>
      (await readdir(join(disk.path, '.kayal/trash'))).length === 0 ? true : undefined,
    );
    expect(Math.abs((await availableBytes(driver, POOL)) - before)).toBeLessThan(MiB);
  };

  it(
    'formats once, attaches once, and leaves nothing attached',
    async () => {
      const before = await availableBytes(driver, POOL);
      const request = {
        name: 'v',
        capacity_range: { required_bytes: SIZE_MIB * MiB },
        volume_capabilities: [mounted()],
        parameters: WISH.parameters,
      };
      const made = await driver.killEverywhere({
        what: 'CreateVolume, file',
        call: () => driver.client.controller.CreateVolume(request),
        check: async () => {
          await create();
          expect(await readdir(await imagePath())).toEqual(['image.1']);
          await removed(before);
        },
        most: 3,
      });

      await create();
      const staging = { volume_id: HANDLE, staging_target_path: user.stagingPath(HANDLE) };
      const path = user.target(HANDLE);
      const staged = await driver.killEverywhere({
        what: 'NodeStageVolume, file',
        call: async () => {
          await mustRun('mkdir', ['-p', user.stagingPath(HANDLE)]);
          await driver.client.node.NodeStageVolume({ ...staging, volume_capability: mounted() });
        },
        check: async () => {
          await user.use(HANDLE, mounted());
          expect(await images()).toEqual([expect.stringMatching(/\/image\.1$/)]);
          await writeFile(join(path, 'file'), 'content');
          await user.leave(HANDLE);
          expect(await images()).toEqual([]);
          await user.use(HANDLE, mounted());
          expect(await readFile(join(path, 'file'), 'utf8')).toBe('content');
          await user.leave(HANDLE);
          expect(await readdir(await imagePath())).toEqual(['image.1']);
          await removed(before);
          await create();
        },
        most: 3,
      });
      await user.use(HANDLE, mounted());
      await writeFile(join(path, 'file'), 'content');
      await user.unpublish(HANDLE);
      const unstaged = await driver.killEverywhere({
        what: 'NodeUnstageVolume, file',
        call: () => driver.client.node.NodeUnstageVolume(staging),
        check: async () => {
          await user.unstage(HANDLE);
          expect(await images()).toEqual([]);
          await user.use(HANDLE, mounted());
          expect(await readFile(join(path, 'file'), 'utf8')).toBe('content');
          await user.unpublish(HANDLE);
        },
        most: 3,
      });
      await retried(() => user.unstage(HANDLE));
      await removed(before);
      const figures = Object.entries({ create: made, stage: staged, unstage: unstaged });
      console.log(
        `kill -9 at ${figures.map(([name, { visited, all }]) => `${visited} of ${all} points of ${name}`).join(', ')}`,
      );
      expect(made.all).toBeGreaterThan(15);
      expect(staged.all).toBeGreaterThan(20);
      expect(unstaged.all).toBeGreaterThan(6);
    },
    FILE_TIMEOUT_MS,
  );
});
