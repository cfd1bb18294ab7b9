import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { groupsOf } from '../../src/gluster/volfile/group-shape.js';
import { startSteadyWriter } from '../faults/steady-writer.js';
import { LayoutBench, POOL } from '../lib/layout-bench.js';
import { DISTRIBUTED_LAYOUTS, thoroughAndBrief } from '../lib/layouts.js';
import { expectLifeOfVolumes, expectLifeOnLayout } from '../lib/layout-life.js';
import { publishNew, type PublishedVolume } from '../lib/published-volume.js';
import { createRequest, expectStatus, retried } from '../lib/requests.js';
import { waitFor } from '../lib/wait.js';

const FILES = 60;
/** dht-common.h, DHT_LINKFILE_MODE: a file with the sticky bit alone says where another one is. */
const LINK_FILE_MODE = 0o1000;

/** The files of a directory that a brick has, without those that only say where another one is. */
async function filesOn(brick: string, path: string): Promise<string[]> {
  const names = await readdir(join(brick, path));
  const modes = await Promise.all(names.map(async (name) => (await stat(join(brick, path, name))).mode & 0o7777));
  return names.filter((_, index) => modes[index] !== LINK_FILE_MODE);
}

const { thorough, brief } = thoroughAndBrief(DISTRIBUTED_LAYOUTS, {
  thorough: ['2 x replica 3'],
  brief: ['2 x disperse 2+1'],
});

describe.each(thorough)('a pool of $name', { timeout: 300_000 }, (layout) => {
  let bench: LayoutBench;
  let volume: PublishedVolume | undefined;

  beforeAll(async () => {
    bench = await LayoutBench.start(layout);
  });

  afterAll(async () => {
    await volume?.unpublish();
    await bench?.stop();
  });

  it('keeps limits, shows them in df, and has volumes, snapshots and clones come and go', async () => {
    await expectLifeOfVolumes(bench);
  });

  it('has each file in one group, on all of its bricks', async () => {
    volume = await publishNew(bench.driver, 'spread', { sizeMiB: 32 });
    const { path, poolPath } = volume;
    const names = Array.from({ length: FILES }, (_, number) => `file-${number}`);
    for (const name of names) await writeFile(join(path, name), name);
    const groups = await Promise.all(
      groupsOf(bench.shape, bench.bricks).map(async (bricks) => {
        const [first, ...others] = await Promise.all(
          bricks.map(async (brick) => (await filesOn(brick, poolPath)).sort()),
        );
        for (const other of others) expect(other).toEqual(first);
        return first ?? [];
      }),
    );
    for (const group of groups) expect(group.length).toBeGreaterThan(0);
    expect(groups.flat().toSorted()).toEqual(names.toSorted());
    expect((await readdir(path)).toSorted()).toEqual(names.toSorted());
    for (const name of names) expect(await readFile(join(path, name), 'utf8')).toBe(name);
  });

  it('makes and lists nothing while a group is away, and has everything when it is back', async () => {
    const { controller } = bench.driver.client;
    const handles = Array.from({ length: 12 }, (_, number) => `${POOL}/n${number}`);
    for (const handle of handles)
      await retried(() => controller.CreateVolume(createRequest(handle.split('/')[1] ?? '')));
    const spare = bench.shape.kind === 'disperse' ? bench.shape.redundancy : (bench.shape.size - 1) / 2;
    const second = bench.shape.size;
    const giveBack = await bench.takeAway(...Array.from({ length: spare + 1 }, (_, index) => second + index));
    await waitFor(
      'a call to be refused',
      async () => {
        const error: unknown = await controller
          .CreateVolume(createRequest('late'))
          .catch((failure: unknown) => failure);
        return error instanceof Error && /do not answer|not available/.test(error.message) ? true : undefined;
      },
      { timeoutMs: 60_000, intervalMs: 500 },
    );
    await expectStatus(
      controller.CreateSnapshot({ name: 'late', source_volume_id: `${POOL}/n0` }),
      'UNAVAILABLE',
      /pool lagoon/,
    );
    await giveBack();
    await retried(() => controller.CreateVolume(createRequest('late')), 90_000);
    const { entries } = await retried(() => controller.ListVolumes({}));
    const listed = entries.map(({ volume: found }) => found?.volume_id ?? '');
    expect(listed.toSorted()).toEqual([...handles, `${POOL}/late`, `${POOL}/spread`].toSorted());
    for (const handle of [...handles, `${POOL}/late`]) {
      await retried(() => controller.DeleteVolume({ volume_id: handle }));
    }
    await bench.healed(volume?.path ?? '');
  });

  it('goes on when a brick of each group was killed, and without an error where there are others', async () => {
    const path = volume?.path ?? '';
    const writers = await Promise.all(
      [0, 1, 2, 3].map((n) => startSteadyWriter(join(path, `steady-${n}`), join(bench.directory, `${n}.json`))),
    );
    try {
      for (const index of [0, 2 * bench.shape.size - 1]) {
        await bench.killBrick(index);
        for (const writer of writers) await writer.goesOn(20);
      }
      const errors = layout.keys.replica === 1 ? (expect.any(Object) as object) : {};
      for (const writer of writers) expect((await writer.stop()).errors).toEqual(errors);
    } finally {
      for (const writer of writers) writer.kill();
    }
    await bench.healed(path);
  });

  it('is refused in another order of its groups, and without one of them', async () => {
    await volume?.unpublish();
    volume = undefined;
    const groups = groupsOf(bench.shape, bench.bricks);
    expect(await bench.refusal({ bricks: groups.toReversed().flat() })).toMatch(/put the bricks back in their order/);
    expect(await bench.refusal({ bricks: groups[0] })).toMatch(/their number cannot be changed/);
  });
});

describe.each(brief)('a pool of $name', { timeout: 300_000 }, (layout) => {
  it('keeps limits, shows them in df, and has volumes, snapshots and clones come and go', async () => {
    await expectLifeOnLayout(layout);
  });
});
