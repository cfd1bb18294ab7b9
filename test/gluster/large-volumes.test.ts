import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Driver } from '../lib/driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { startOpen } from '../lib/open-driver.js';
import { singleBrickPool } from '../lib/pool-configs.js';
import { MiB, createRequest, expectStatus, retried } from '../lib/requests.js';

const GiB = 1024 * MiB;

let driver: Driver;
let disk: LoopDirectory;

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'large-'));
  disk = await loopDirectory(directory, 'disk', 4096);
  const keys = { quota: 'gluster', quotaProfile: 'large-volumes' };
  driver = await startOpen({ directory, pools: [await singleBrickPool(disk.path, 'lagoon', keys)] });
});

afterAll(async () => {
  await driver?.stop();
  await disk?.remove();
});

it('a pool with the profile large-volumes makes no volume below 1 GiB, and says so beforehand', async () => {
  const { controller } = driver.client;
  expect((await controller.GetCapacity({})).minimum_volume_size).toEqual({ value: String(GiB) });

  await expectStatus(
    controller.CreateVolume(createRequest('small', { sizeMiB: 64, limitMiB: 512 })),
    'OUT_OF_RANGE',
    /smallest volume .* on this pool has 1073741824 bytes, more than the limit of 536870912/,
  );
  expect((await controller.ListVolumes({})).entries).toEqual([]);

  // Without a limit "at least 64 MiB" is asked for.
  const { volume } = await retried(() => controller.CreateVolume(createRequest('grown', { sizeMiB: 64 })));
  expect(volume?.capacity_bytes).toBe(String(GiB));
  await expectStatus(
    controller.ControllerExpandVolume({
      volume_id: 'lagoon/grown',
      capacity_range: { required_bytes: 64 * MiB, limit_bytes: 512 * MiB },
    }),
    'OUT_OF_RANGE',
    /1073741824 bytes/,
  );
  await retried(() => controller.DeleteVolume({ volume_id: 'lagoon/grown' }));
});
