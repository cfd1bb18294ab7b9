import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lostLines, startSteadyWriter } from '../faults/steady-writer.js';
import { BrickPool } from '../lib/brick-pool.js';
import { dfBytes, fill, publishNew, type PublishedVolume } from '../lib/published-volume.js';
import { MiB } from '../lib/requests.js';

const LIMIT_MIB = 24;
/** Of GlusterFS' own quota (docs/quota.md), in percent. */
const OVERSHOOT_PERCENT = 10;

describe.each([
  { name: 'two copies and an arbiter', layout: { replica: 2, arbiter: 1 } },
  { name: 'disperse 2 + 1', layout: { disperse: { data: 2, redundancy: 1 } } },
])('brick roles that make a pool of $name', { timeout: 300_000 }, ({ layout }) => {
  let pool: BrickPool;
  let volume: PublishedVolume;

  beforeAll(async () => {
    pool = await BrickPool.start({ layout, count: 3 });
  }, 240_000);

  afterAll(() => pool?.stop());

  it('keep limits, and df shows them', async () => {
    volume = await publishNew(pool.driver, 'first', { sizeMiB: LIMIT_MIB });
    expect(await dfBytes(volume.path)).toBe(LIMIT_MIB * MiB);
    const { usedBytes, error } = await fill(volume.path, 'full', 2 * LIMIT_MIB);
    expect(error).toMatch(/Disk quota exceeded/);
    expect(usedBytes).toBeGreaterThan(LIMIT_MIB * MiB * 0.9);
    expect(usedBytes).toBeLessThan(LIMIT_MIB * MiB * (1 + OVERSHOOT_PERCENT / 100));
    await volume.unpublish();
  });

  it('go on serving when one is killed, without an error, and heal it when it is back', async () => {
    volume = await publishNew(pool.driver, 'second', { sizeMiB: LIMIT_MIB });
    const file = join(volume.path, 'steady');
    const writer = await startSteadyWriter(file, join(pool.directory, 'writer.json'));
    try {
      await pool.roles[0]?.kill();
      await writer.goesOn(20);
      pool.roles[0] = await pool.startRole(0);
      await pool.roles[0].ready();
      await writer.goesOn(20);
      const { acknowledged, errors } = await writer.stop();
      expect(errors).toEqual({});
      expect(lostLines(await readFile(file, 'utf8'), acknowledged)).toEqual([]);
    } finally {
      writer.kill();
    }
    await pool.healed();
    await volume.unpublish();
  });
});
