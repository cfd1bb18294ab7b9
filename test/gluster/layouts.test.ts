import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isArbiterBrick } from '../../src/gluster/volfile/group-shape.js';
import { startSteadyWriter, lostLines, type SteadyWriter } from '../faults/steady-writer.js';
import { LayoutBench, POOL } from '../lib/layout-bench.js';
import { GROUP_LAYOUTS, thoroughAndBrief } from '../lib/layouts.js';
import { expectLifeOfVolumes, expectLifeOnLayout } from '../lib/layout-life.js';
import { publishNew, type PublishedVolume } from '../lib/published-volume.js';
import { mustRun } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';
import { IS_LONG } from '../runner/long.js';

const described = (path: string): Promise<string> =>
  mustRun('bash', ['-c', 'find . -type f -print0 | sort -z | xargs -0 sha256sum; find . -type d | sort'], {
    cwd: path,
  });

const { thorough, brief } = thoroughAndBrief(GROUP_LAYOUTS, {
  thorough: ['replica 2 arbiter 1'],
  brief: ['disperse 4+2'],
});

describe.each(thorough)('a pool of $name', { timeout: 300_000 }, (layout) => {
  let bench: LayoutBench;
  let volume: PublishedVolume;
  let isPublished = false;
  let writer: SteadyWriter | undefined;

  beforeAll(async () => {
    bench = await LayoutBench.start(layout);
    volume = await publishNew(bench.driver, 'v', { sizeMiB: 32 });
    isPublished = true;
  });

  afterAll(async () => {
    writer?.kill();
    if (isPublished) await volume.unpublish();
    await bench?.stop();
  });

  it('keeps limits, shows them in df, and has volumes, snapshots and clones come and go', async () => {
    await expectLifeOfVolumes(bench);
  });

  it('puts names on every brick, and data only where it belongs', async () => {
    await writeFile(join(volume.path, 'file'), Buffer.alloc(64 * 1024, 'x'));
    const sizes = await Promise.all(
      bench.bricks.map(async (brick) => (await readFile(join(brick, volume.poolPath, 'file'))).length),
    );
    const parts = bench.shape.size - bench.shape.redundancy;
    const share = bench.shape.kind === 'disperse' ? (64 * 1024) / parts : 64 * 1024;
    expect(sizes).toEqual(bench.bricks.map((_, index) => (isArbiterBrick(bench.shape, index) ? 0 : share)));
  });

  it('goes on without an error while bricks are killed, one after the other, and heals', async () => {
    writer = await startSteadyWriter(join(volume.path, 'steady'), join(bench.directory, 'steady.json'));
    const all = [...bench.bricks.keys()];
    for (const index of IS_LONG ? all : [0, all.length - 1]) {
      await bench.killBrick(index);
      await writer.goesOn(20);
      const away = await writer.report();
      expect(away.errors).toEqual({});
      const { errors } = await writer.stop();
      expect(errors).toEqual({});
      await bench.healed(volume.path);
      writer = await startSteadyWriter(join(volume.path, `steady-${index}`), join(bench.directory, `${index}.json`));
    }
    const told = await writer.stop();
    writer = undefined;
    const last = join(volume.path, `steady-${bench.bricks.length - 1}`);
    expect(lostLines(await readFile(last, 'utf8'), told.acknowledged)).toEqual([]);
    await bench.healed(volume.path);
  });

  it('has what was moved and removed while a brick was away on that brick, too', async () => {
    const at = (path: string): string => join(volume.path, path);
    for (const path of ['from/data/sub', 'to', 'gone/deep/er']) await mkdir(at(path), { recursive: true });
    const fill = async (path: string): Promise<void> => {
      for (let number = 0; number < 10; number++) await writeFile(at(`${path}/${number}`), `${path} ${number}`);
    };
    for (const path of ['from/data', 'from/data/sub', 'gone/deep/er']) await fill(path);
    const giveBack = await bench.takeAway(0);
    await mustRun('mv', [at('from/data'), at('to/data')]);
    await mustRun('mv', [at('to/data/sub'), at('from/other')]);
    await mustRun('rm', ['-r', at('gone')]);
    await mkdir(at('made'));
    await fill('made');
    const wanted = await described(volume.path);
    await giveBack();
    await bench.healed(volume.path);
    expect(await described(volume.path)).toBe(wanted);
    // Now the others are away, as many as may be: what is read comes from the first brick, too.
    const spare = bench.shape.kind === 'disperse' ? bench.shape.redundancy : 1;
    const others = await bench.takeAway(...Array.from({ length: spare }, (_, index) => index + 1));
    expect(await described(volume.path)).toBe(wanted);
    await others();
    await bench.healed(volume.path);
    for (const name of ['from', 'to', 'made']) await rm(at(name), { recursive: true });
  });

  it('is healthy while somebody writes, and says what waits to be healed while a brick is away', async () => {
    const heals = async (): Promise<string> => {
      const stats = await bench.driver.client.node.NodeGetVolumeStats({
        volume_id: volume.handle,
        volume_path: volume.path,
      });
      return stats.volume_condition?.message ?? '';
    };
    writer = await startSteadyWriter(join(volume.path, 'healthy'), join(bench.directory, 'healthy.json'));
    await writer.goesOn(20);
    await waitFor('a condition without heals', async () => (/to heal/.test(await heals()) ? undefined : true));
    const giveBack = await bench.takeAway(1);
    await writer.goesOn(20);
    await writer.stop();
    writer = undefined;
    await waitFor('a condition that tells of heals', async () => (/to heal/.test(await heals()) ? true : undefined));
    await giveBack();
    await bench.healed(volume.path);
    expect((await readdir(volume.path)).includes('healthy')).toBe(true);
  });

  it('is refused in another order of its bricks', async () => {
    await volume.unpublish();
    isPublished = false;
    await bench.driver.client.controller.DeleteVolume({ volume_id: `${POOL}/v` });
    expect(await bench.refusal({ bricks: [...bench.bricks].reverse() })).toMatch(/put the bricks back in their order/);
    expect(await bench.refusal({ replica: 3, arbiter: undefined, disperse: undefined })).toMatch(
      /was made for .*cannot be changed/,
    );
  });
});

describe.each(brief)('a pool of $name', { timeout: 300_000 }, (layout) => {
  it('keeps limits, shows them in df, and has volumes, snapshots and clones come and go', async () => {
    await expectLifeOnLayout(layout);
  });
});
