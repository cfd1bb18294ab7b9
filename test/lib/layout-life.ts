import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { LayoutBench, POOL } from './layout-bench.js';
import type { TestLayout } from './layouts.js';
import { dfBytes, fill, publishNew } from './published-volume.js';
import { createRequest, MiB, retried } from './requests.js';
import { mustRun } from './run-command.js';
import { waitFor } from './wait.js';

const LIMIT_MIB = 20;
/** Of two writes of dd after one another, as in test/measured. */
const OVER_MIB = 8;

const sums = (path: string): Promise<string> =>
  mustRun('bash', ['-c', 'find . -type f -print0 | sort -z | xargs -0 -r sha256sum'], { cwd: path });

/** One file of the limit less 5 %, from random data; and some small ones. */
async function fillNearly(path: string): Promise<void> {
  const count = Math.floor(LIMIT_MIB * 0.95);
  await mustRun('dd', ['if=/dev/urandom', `of=${join(path, 'large')}`, 'bs=1M', `count=${count}`, 'conv=fsync']);
  expect((await stat(join(path, 'large'))).size).toBe(count * MiB);
  await mustRun('bash', ['-c', 'mkdir d; for n in $(seq 12); do echo $n > d/$n; done'], { cwd: path });
}

/** Volumes on a pool of some layout, from the first to the last; nothing of them is left. */
export async function expectLifeOfVolumes(bench: LayoutBench): Promise<void> {
  const { driver } = bench;
  const { controller } = driver.client;
  const before = await treeOf(bench);
  const volume = await publishNew(driver, 'life', { sizeMiB: LIMIT_MIB });
  expect(await dfBytes(volume.path)).toBe(LIMIT_MIB * MiB);
  await fillNearly(volume.path);
  const content = await sums(volume.path);

  const snapshot_id = `${POOL}/life-snap`;
  await retried(() => controller.CreateSnapshot({ name: 'life-snap', source_volume_id: volume.handle }), 120_000);
  const { usedBytes, error } = await fill(volume.path, 'over', 4 * LIMIT_MIB);
  expect(error).toMatch(/Disk quota exceeded|No space left on device/);
  const over = usedBytes / MiB + Math.floor(LIMIT_MIB * 0.95) - LIMIT_MIB;
  expect(over).toBeLessThan(OVER_MIB);
  expect(over).toBeGreaterThan(-2);
  await mustRun('rm', [join(volume.path, 'over')]);

  const sources = { restored: { snapshot: { snapshot_id } }, clone: { volume: { volume_id: volume.handle } } };
  for (const [name, source] of Object.entries(sources)) {
    const copy = await publishNew(driver, name, { sizeMiB: LIMIT_MIB }, source);
    expect(await sums(copy.path)).toBe(content);
    expect(await dfBytes(copy.path)).toBe(LIMIT_MIB * MiB);
    await copy.unpublish();
    await retried(() => controller.DeleteVolume({ volume_id: copy.handle }));
  }

  const bytes = 2 * LIMIT_MIB * MiB;
  const capacity_range = { required_bytes: bytes, limit_bytes: 0 };
  await retried(() => controller.ControllerExpandVolume({ volume_id: volume.handle, capacity_range }));
  expect(await dfBytes(volume.path)).toBe(bytes);
  await mustRun('dd', ['if=/dev/zero', `of=${join(volume.path, 'more')}`, 'bs=1M', `count=${LIMIT_MIB}`, 'conv=fsync']);

  await volume.unpublish();
  await retried(() => controller.DeleteSnapshot({ snapshot_id }));
  await retried(() => controller.DeleteVolume({ volume_id: volume.handle }));
  await waitFor('the trash to be empty', async () =>
    (await readdir(join(bench.controlMount, '.kayal/trash'))).length === 0 ? true : undefined,
  );
  expect(await treeOf(bench)).toEqual(before);
  await expect(retried(() => controller.CreateVolume(createRequest('huge', { sizeMiB: 1e9 })))).rejects.toThrow(
    /left to promise/,
  );
}

/** The same on a pool that is made for it. */
export async function expectLifeOnLayout(layout: TestLayout): Promise<void> {
  const bench = await LayoutBench.start(layout);
  try {
    await expectLifeOfVolumes(bench);
  } finally {
    await bench.stop();
  }
}

/** What volumes are made of, as all bricks have it. */
async function treeOf({ bricks }: LayoutBench): Promise<string[]> {
  const trees = bricks.map(async (brick) => {
    const found = await mustRun('find', ['volumes', '.kayal/data', '-mindepth', '2'], { cwd: brick });
    return found.split('\n').sort().join('\n');
  });
  return Promise.all(trees);
}
