import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KillableDriver } from '../lib/killable-driver.js';
import { removeLeftovers } from '../lib/leftovers.js';
import { mountLoop } from '../lib/loop-directory.js';
import { directoryPool } from '../lib/pool-configs.js';
import { MiB, retried } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';
import { VolumeUser, mounted } from '../lib/volume-user.js';
import { FILE_TIMEOUT_MS } from '../runner/long.js';

/** What a container has in /dev that is not given the host's: no loop device, and no way to get one. */
const BARE_DEVICES = `
set -e
mount -t tmpfs none /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/zero c 1 5
mknod -m 666 /dev/random c 1 8
mknod -m 666 /dev/urandom c 1 9
exec "$@"`;

/** kill -9 of a driver that has to make the device nodes it needs. */
describe('kill -9 in a container with devices of its own', { timeout: FILE_TIMEOUT_MS }, () => {
  let directory: string;
  let driver: KillableDriver;
  let user: VolumeUser;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'dk-'));
    // As mountPropagation: Bidirectional has it.
    await mustRun('mount', ['--bind', directory, directory]);
    await mustRun('mount', ['--make-shared', directory]);
    const disk = join(directory, 'disk');
    await mkdir(disk);
    await mustRun('truncate', ['-s', '128M', `${disk}.img`]);
    // Without extents there is no fallocate(2), as on many a network filesystem.
    await mustRun('mkfs.ext4', ['-q', '-F', '-O', '^extent,^64bit', `${disk}.img`]);
    await mountLoop(`${disk}.img`, disk);
    driver = await KillableDriver.start({
      directory,
      pools: [directoryPool('p', disk)],
      prefix: ['unshare', '--mount', '--propagation', 'unchanged', 'sh', '-c', BARE_DEVICES, 'sh'],
    });
    user = new VolumeUser(directory, () => driver.driver);
  });

  afterAll(async () => {
    await driver?.stop();
    await removeLeftovers(directory);
  });

  it('an image is attached once, and detached', async () => {
    const create = () =>
      driver.client.controller.CreateVolume({
        name: 'made',
        capacity_range: { required_bytes: 24 * MiB },
        volume_capabilities: [mounted()],
        parameters: { volumeType: 'file' },
      });
    const made = await driver.killEverywhere({
      what: 'CreateVolume, file, without fallocate(2)',
      call: () => driver.untilKilled(create),
      check: async () => {
        await retried(create);
        await user.remove('p/made');
      },
      most: 2,
    });
    const handle = await user.create('v', { sizeMiB: 24, capability: mounted(), parameters: { volumeType: 'file' } });
    await user.use(handle, mounted());
    await user.leave(handle);
    const staging_target_path = user.stagingPath(handle);
    await mkdir(staging_target_path, { recursive: true });
    const stage = () =>
      driver.client.node.NodeStageVolume({ volume_id: handle, staging_target_path, volume_capability: mounted() });
    const visited = await driver.killEverywhere({
      what: 'NodeStageVolume, file, in a container',
      call: stage,
      check: async () => {
        await retried(stage);
        await user.unstage(handle);
        await mkdir(staging_target_path, { recursive: true });
      },
      most: 2,
    });
    await user.remove(handle);
    console.log('kill -9 with devices of its own', { made, visited });
    expect(visited.visited).toBeGreaterThan(1);
  });
});
