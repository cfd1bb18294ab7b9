import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { status } from '@grpc/grpc-js';
import { GiB } from '../../../src/base/units.js';
import { isServiceError } from '../../lib/csi-client.js';
import type { Driver } from '../../lib/driver.js';
import { kayal } from '../../lib/kayal.js';
import { loopDirectory, type LoopDirectory } from '../../lib/loop-directory.js';
import { MountedVolumes } from '../../lib/mounted-volumes.js';
import { availableBytes, startOpen } from '../../lib/open-driver.js';
import { singleBrickPool } from '../../lib/pool-configs.js';
import { dfBytes } from '../../lib/published-volume.js';
import { createRequest, expectStatus, retried } from '../../lib/requests.js';
import { waitFor } from '../../lib/wait.js';
import { noteFault } from '../fault-table.js';
import { lookAtBrick } from '../../lib/load/pool-look.js';

const POOL = 'lagoon';
const CLIENTS = 32;
const DISK_MIB = 1024 * 1024;
const SIZE_MIB = 1024;
const SAMPLE = 20;
const LEAST = 1000;

let directory: string;
let disk: LoopDirectory;
let driver: Driver;
let mounts: MountedVolumes;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tib-'));
  disk = await loopDirectory(directory, 'disk', DISK_MIB, 'ext4', ['-J', 'size=64', '-i', '65536']);
  driver = await startOpen({
    directory,
    pools: [await singleBrickPool(disk.path, POOL, { quota: 'gluster' })],
    logLevel: 'info',
  });
  mounts = new MountedVolumes(directory, () => driver);
});

afterAll(async () => {
  await mounts?.releaseAll();
  await driver?.stop();
  await disk?.remove();
  await rm(`${disk.path}.img`);
});

const create = (name: string): Promise<unknown> =>
  retried(() => driver.client.controller.CreateVolume(createRequest(name, { sizeMiB: SIZE_MIB })), 300_000);

/** Volumes of 1 GiB, 32 at a time, until none fits any more. @returns their names */
async function fillUp(prefix: string): Promise<string[]> {
  const made: string[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (;;) {
      const name = `${prefix}${++next}`;
      try {
        await create(name);
        made.push(name);
      } catch (error) {
        if (isServiceError(error) && error.code === status.RESOURCE_EXHAUSTED) return;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, lane));
  return made;
}

it(
  'a disk of 1 TiB holds a thousand volumes of 1 GiB, each limited, and promises no byte twice',
  async () => {
    const size = await dfBytes(disk.path);
    const started = performance.now();
    const made = await fillUp('v');
    const seconds = (performance.now() - started) / 1000;
    console.log(
      `${made.length} volumes of 1 GiB fit on a brick of 1 TiB (${(size / Number(GiB)).toFixed(1)} GiB after its filesystem's own), ` +
        `made ${CLIENTS} at a time in ${seconds.toFixed(0)} s (${(made.length / seconds).toFixed(1)}/s)`,
    );
    expect(made.length).toBeGreaterThanOrEqual(LEAST);
    expect(made.length * Number(GiB)).toBeLessThanOrEqual(size);
    // Not one more would have fit.
    expect(await availableBytes(driver, POOL)).toBeLessThan(Number(GiB));
    await expectStatus(create('more'), 'RESOURCE_EXHAUSTED', /left to promise, 1 GiB were asked for/);

    const { volumes, unfinished } = await lookAtBrick(join(disk.path, 'brick'));
    expect([...volumes.keys()].sort()).toEqual([...made].sort());
    const wrong = [...volumes.values()].filter(
      ({ recordedBytes, limitBytes }) => recordedBytes !== Number(GiB) || limitBytes !== Number(GiB),
    );
    expect({ wrong, unfinished }).toEqual({ wrong: [], unfinished: [] });
    const step = Math.floor(made.length / SAMPLE);
    for (let index = 0; index < made.length; index += step)
      expect(await dfBytes(await mounts.path(`${POOL}/${made[index]}`))).toBe(Number(GiB));
    await mounts.releaseAll();
    const { code, stdout } = await kayal(directory, ['doctor', '--pool', POOL]);
    expect({ code, problems: stdout.split('\n').filter((line) => line.startsWith('PROBLEM')) }).toEqual({
      code: 0,
      problems: [],
    });

    // What is deleted can be promised again, once it is purged; neither less nor more of it.
    const gone = made.slice(0, CLIENTS);
    for (const name of gone)
      await retried(() => driver.client.controller.DeleteVolume({ volume_id: `${POOL}/${name}` }));
    await waitFor('the deleted volumes to be purged', async () =>
      (await readdir(join(disk.path, 'brick/.kayal/trash'))).length === 0 ? true : undefined,
    );
    const again = await fillUp('again');
    console.log(`${again.length} fit again after ${gone.length} were deleted`);
    // GlusterFS' own directories have grown meanwhile.
    expect(again.length).toBeGreaterThanOrEqual(gone.length - 1);
    expect(again.length).toBeLessThanOrEqual(gone.length);
    await noteFault({
      fault: `volumes of 1 GiB on 1 TiB, ${CLIENTS} at a time, until none fits`,
      times: 1,
      seen: `${made.length} made, then RESOURCE_EXHAUSTED`,
      held: 'each has its limit; deleted ones make room for as many, and no more',
    });
  },
  30 * 60_000,
);
