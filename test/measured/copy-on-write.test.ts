import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { recordPath } from '../../src/volumes/records/layout.js';
import { snapshotRecordPath } from '../../src/volumes/records/snapshot-record.js';
import type { Driver } from '../lib/driver.js';
import { durableFileMs, median } from '../lib/durable-file.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { startOpen } from '../lib/open-driver.js';
import { publishNew } from '../lib/published-volume.js';
import { createRequest, retried } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';

const MiB = 1024 * 1024;
const SIZE_MIB = 1024;
/** Room for what all snapshots and clones are promised; sparse. */
const DISK_MIB = 40 * 1024;
const ROUNDS = 9;

let directory: string;
let disks: LoopDirectory[];
let driver: Driver;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cow-'));
  disks = [];
  for (const name of ['d1', 'd2', 'd3']) disks.push(await loopDirectory(directory, name, DISK_MIB, 'xfs'));
  const bricks = disks.map(({ path }) => join(path, 'brick'));
  driver = await startOpen({
    directory,
    pools: [{ name: 'r3', type: 'managed', replica: 3, bricks, quota: 'none' }],
    logLevel: 'info',
  });
}, 120_000);

afterAll(async () => {
  await driver?.stop();
  for (const disk of disks ?? []) await disk.remove();
});

/** The least and the median of some rounds, in ms. */
async function timed(work: (round: number) => Promise<unknown>): Promise<{ least: number; middle: number }> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const since = performance.now();
    await work(round);
    times.push(performance.now() - since);
  }
  return { least: Math.min(...times), middle: median(times) };
}

/** A pool without limits, as this kernel may have none on XFS; test/project-quota has the same with limits, in a slow machine. */
it('a snapshot and a clone of 1 GiB on replica 3 copy nothing', { timeout: 300_000 }, async () => {
  const source = await publishNew(driver, 'large', { sizeMiB: SIZE_MIB + 100 });
  const path = join(source.path, 'file');
  await mustRun('dd', ['if=/dev/urandom', `of=${path}`, 'bs=1M', `count=${SIZE_MIB}`, 'conv=fsync', 'status=none'], {
    timeoutMs: 120_000,
  });
  await mustRun('sync', []);
  const { controller } = driver.client;
  const sizeMiB = SIZE_MIB + 100;
  const floor = await durableFileMs(source.path);
  const snapshot = await timed((round) =>
    retried(() => controller.CreateSnapshot({ name: `s${round}`, source_volume_id: source.handle })),
  );
  const clone = await timed((round) =>
    retried(() =>
      controller.CreateVolume({
        ...createRequest(`c${round}`, { sizeMiB }),
        volume_content_source: { volume: { volume_id: source.handle } },
      }),
    ),
  );
  const restore = await timed((round) =>
    retried(() =>
      controller.CreateVolume({
        ...createRequest(`r${round}`, { sizeMiB }),
        volume_content_source: { snapshot: { snapshot_id: 'r3/s0' } },
      }),
    ),
  );
  const figure = ({ least, middle }: { least: number; middle: number }): string =>
    `${least.toFixed(0)} ms, mostly ${middle.toFixed(0)} ms (${(middle / floor).toFixed(1)} x)`;
  console.log(
    `1 GiB on replica 3: snapshot ${figure(snapshot)}, clone ${figure(clone)}, volume from snapshot ${figure(restore)}; ` +
      `1 x is one small file made durable through the same mount: ${floor.toFixed(0)} ms`,
  );
  const brick = join(disks[0]?.path ?? '', 'brick');
  for (const file of [snapshotRecordPath('s1'), recordPath('c1'), recordPath('r1')]) {
    const record = await readFile(join(brick, file), 'utf8');
    expect(record).toMatch(new RegExp(`"sharedBytes": ?"${SIZE_MIB * MiB}"`));
  }
  await source.unpublish();
});
