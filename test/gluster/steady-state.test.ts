import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Driver } from '../lib/driver.js';
import { MountedVolumes } from '../lib/mounted-volumes.js';
import { startOpen } from '../lib/open-driver.js';
import { singleBrickPool } from '../lib/pool-configs.js';
import { MiB, createRequest, retried } from '../lib/requests.js';
import { startedProcesses } from '../lib/started-processes.js';

const ROUNDS = 25;
const AT_ONCE = 4;

let driver: Driver;
let mounts: MountedVolumes;

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'steady-'));
  driver = await startOpen({
    directory,
    pools: [await singleBrickPool(directory, 'lagoon', { quota: 'gluster' })],
    logLevel: 'info',
  });
  mounts = new MountedVolumes(directory, () => driver);
});

afterAll(async () => {
  await mounts?.releaseAll();
  await driver?.stop();
});

/** The life of a volume, with every call that a running cluster makes. */
async function live(name: string): Promise<void> {
  const { controller, node, identity } = driver.client;
  const { volume } = await retried(() => controller.CreateVolume(createRequest(name, { sizeMiB: 1 })));
  const volume_id = volume?.volume_id ?? '';
  const volume_path = await mounts.path(volume_id);
  await node.NodeGetVolumeStats({ volume_id, volume_path });
  await retried(() => controller.ControllerExpandVolume({ volume_id, capacity_range: { required_bytes: 2 * MiB } }));
  await controller.ControllerGetVolume({ volume_id });
  await controller.ListVolumes({});
  await controller.GetCapacity({});
  await identity.Probe({});
  await mounts.release(volume_id);
  await retried(() => controller.DeleteVolume({ volume_id }));
}

it('starts no process for a call, once the pool is mounted', async () => {
  // A pod that stays: the pool's client goes when the last one has gone.
  await retried(() => driver.client.controller.CreateVolume(createRequest('stays')));
  await mounts.path('lagoon/stays');
  await live('first');
  const before = await startedProcesses(driver.pid);

  const names = Array.from({ length: ROUNDS }, (_, number) => `v${number}`);
  const lane = async (): Promise<void> => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) await live(name);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));

  expect(await startedProcesses(driver.pid)).toEqual(before);
});
