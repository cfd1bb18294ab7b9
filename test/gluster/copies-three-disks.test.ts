import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { IoWorkers } from '../../src/linux/io-workers.js';
import { Tree } from '../../src/linux/tree.js';
import type { Driver } from '../lib/driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { collectingLogger } from '../lib/managed-pool.js';
import { startOpen } from '../lib/open-driver.js';
import { publishNew, type PublishedVolume } from '../lib/published-volume.js';
import { retried } from '../lib/requests.js';

/** More than a slice of a copy or of a count has. */
const FILES = 600;
const SLICE = { entries: 100 };

let disks: LoopDirectory[];
let driver: Driver;
let volume: PublishedVolume;

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'c3-'));
  disks = [];
  // Each filesystem lists a directory in an order of its own.
  for (const name of ['d1', 'd2', 'd3']) disks.push(await loopDirectory(directory, name, 256));
  const bricks = disks.map(({ path }) => join(path, 'brick'));
  driver = await startOpen({
    directory,
    pools: [{ name: 'three', type: 'managed', replica: 3, bricks, quota: 'gluster' }],
    logLevel: 'info',
  });
});

afterAll(async () => {
  await volume?.unpublish();
  await driver?.stop();
  for (const disk of disks) await disk.remove();
});

it('a copy of a large directory on three disks has every file, and so has a count', async () => {
  volume = await publishNew(driver, 'large', { sizeMiB: 32 });
  const names = Array.from({ length: FILES }, (_, number) => `file-${number}`);
  for (const name of names) await writeFile(join(volume.path, name), name);
  const request = { name: 'snap', source_volume_id: volume.handle };
  await retried(() => driver.client.controller.CreateSnapshot(request), 240_000);
  for (const { path } of disks) {
    const copied = await readdir(join(path, 'brick/.kayal/data/snapshots/snap'));
    expect(copied.toSorted()).toEqual(names.toSorted());
  }
  const io = new IoWorkers({ log: collectingLogger() });
  const tree = await Tree.open(io, 'count', volume.path);
  try {
    let count = await tree.countUsage('.', SLICE);
    while (!count.done) count = await tree.countUsage('.', SLICE, count);
    expect(count.inodes).toBe(BigInt(FILES + 1));
  } finally {
    await tree.close();
    await io.close();
  }
}, 600_000);
