import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordPath } from '../../src/volumes/records/layout.js';
import type { Driver } from '../lib/driver.js';
import { kayal } from '../lib/kayal.js';
import { setQuotaLimit } from '../lib/managed-pool.js';
import { startOpen } from '../lib/open-driver.js';
import { MiB, claimParameters, createRequest, retried } from '../lib/requests.js';
import { twoPools, type TwoPools } from '../lib/two-pools.js';

describe('kayal doctor', () => {
  let pools: TwoPools;
  let driver: Driver;

  beforeAll(async () => {
    pools = await twoPools('doctor-');
    driver = await startOpen(pools.options);
  });

  afterAll(async () => {
    await driver?.stop();
    await pools?.remove();
  });

  const create = async (name: string, parameters: Record<string, string>): Promise<string> => {
    const answer = await retried(() =>
      driver.client.controller.CreateVolume(createRequest(name, { sizeMiB: 8, parameters })),
    );
    return answer.volume?.volume_context['path'] ?? '';
  };
  const remove = (handle: string) => retried(() => driver.client.controller.DeleteVolume({ volume_id: handle }));
  const doctor = async (poolName: string, ...flags: string[]): Promise<{ code: number | undefined; text: string }> => {
    const { code, stdout, stderr } = await kayal(pools.directory, ['doctor', '--pool', poolName, ...flags]);
    return { code, text: `${stdout}${stderr}` };
  };
  const problems = (text: string): string[] => text.split('\n').filter((line) => line.startsWith('PROBLEM'));

  it('finds nothing wrong with pools that are well, whoever holds the lease', async () => {
    await create('well', { pool: 'dir', pathPattern: 'team/${pv.metadata.name}', ...claimParameters('n', 'c', 'pv') });
    const { code, text } = await doctor('dir');
    expect(problems(text)).toEqual([]);
    expect(code).toBe(0);
    expect(text).toMatch(/pool dir: the lease is held by node-1 \(pid \d+/);
    expect(text).toMatch(/8 MiB are promised of/);
    await remove('dir/well');
  });

  it('finds records without data, data without a record, and a damaged record; repair leaves all of them alone', async () => {
    const lost = await create('lost', { pool: 'dir' });
    await create('torn', { pool: 'dir' });
    await rename(join(pools.path, lost), join(pools.path, 'lost-data'));
    await mkdir(join(pools.path, 'volumes/aa/foreign'), { recursive: true });
    await writeFile(join(pools.path, 'volumes/aa/foreign/file'), 'precious');
    const record = await readFile(join(pools.path, recordPath('torn')));
    await writeFile(join(pools.path, recordPath('torn')), record.subarray(0, 50));

    for (const flags of [[], ['--repair']]) {
      const { code, text } = await doctor('dir', ...flags);
      expect(code).toBe(1);
      expect(problems(text)).toEqual([
        expect.stringMatching(/record .*torn\.json of volume torn is damaged: .*restore it from a backup/) as string,
        expect.stringMatching(/volume lost: its data is not at volumes/) as string,
        expect.stringMatching(/volumes\/aa\/foreign belongs to no volume and is counted nowhere/) as string,
      ]);
    }
    expect(await readFile(join(pools.path, 'volumes/aa/foreign/file'), 'utf8')).toBe('precious');
    await writeFile(join(pools.path, recordPath('torn')), record);
    await rename(join(pools.path, 'lost-data'), join(pools.path, lost));
    await rm(join(pools.path, 'volumes/aa/foreign'), { recursive: true });
    const { text } = await doctor('dir');
    expect(problems(text)).toEqual([]);
    await remove('dir/lost');
  });

  it('repairs the mirror of the paths, through the controller', async () => {
    const claim = claimParameters('n', 'c', 'pv');
    const path = await create('mirrored', { pool: 'dir', pathPattern: 'team/${pvc.metadata.name}', ...claim });
    const mark = join(pools.path, '.kayal/paths', path, '.volume');
    await rm(mark);
    const stale = join(pools.path, '.kayal/paths/left/over/.volume');
    await mkdir(dirname(stale), { recursive: true });
    await writeFile(stale, 'gone\n');
    await mkdir(join(pools.path, '.kayal/paths/empty/one'), { recursive: true });

    const before = await doctor('dir');
    expect(problems(before.text)).toEqual([
      expect.stringMatching(/path left\/over is marked as a volume's, and no volume has it/) as string,
      expect.stringMatching(/path empty\/one is kept in mind/) as string,
      expect.stringMatching(/volume mirrored: its path team\/c is not marked/) as string,
    ]);
    const after = await doctor('dir', '--repair');
    expect(after.text).toMatch(/^repair {2}pool dir: path left\/over: no volume has it/m);
    expect(problems(after.text)).toEqual([]);
    expect(after.code).toBe(0);
    expect(await readFile(mark, 'utf8')).toBe('mirrored\n');
    await expect(stat(dirname(dirname(stale)))).rejects.toThrow('ENOENT');
    await expect(stat(join(pools.path, '.kayal/paths/empty'))).rejects.toThrow('ENOENT');
    await remove('dir/mirrored');
  });

  it('finds limits that are not those on record, and sets them again', async () => {
    const path = await create('limited', { pool: 'fast' });
    await setQuotaLimit(join(pools.controlMount, path), BigInt(64 * MiB));
    const before = await doctor('fast');
    expect(problems(before.text)).toEqual([
      expect.stringMatching(
        /volume limited: its limit is 64 MiB, on record are 8 MiB: "kayal doctor --repair"/,
      ) as string,
    ]);
    const after = await doctor('fast', '--repair');
    expect(after.text).toMatch(/repair {2}pool fast: volume limited: .*it is set again/);
    expect(problems(after.text)).toEqual([]);
    await remove('fast/limited');
  });

  it('finishes a deletion that was cut off, itself, while no controller runs', async () => {
    await create('half', { pool: 'dir' });
    await driver.stop();
    const file = join(pools.path, recordPath('half'));
    const deletedAt = new Date(Date.now() - 2 * 60 * 60 * 1000).toISOString();
    const name = `half-${deletedAt.replaceAll(/[^0-9]/g, '')}`;
    const record = JSON.parse(await readFile(file, 'utf8')) as object;
    await writeFile(file, JSON.stringify({ ...record, state: 'deleting', deletedAt, movedTo: `.kayal/trash/${name}` }));
    await mkdir(join(pools.path, '.kayal/trash/old-20200101000000000'));
    await mkdir(join(pools.path, '.kayal/trash/old-20200101000000000/data'));

    const before = await doctor('dir');
    expect(problems(before.text)).toEqual([
      expect.stringMatching(/volume half is deleting since/) as string,
      expect.stringMatching(/the trash has 1 deleted volumes.*for more than an hour/) as string,
    ]);
    expect(before.text).toMatch(/nobody holds the lease/);
    const after = await doctor('dir', '--repair');
    expect(problems(after.text)).toEqual([]);
    expect(after.code).toBe(0);
    await expect(stat(file)).rejects.toThrow('ENOENT');
    expect(await readdir(join(pools.path, '.kayal/trash'))).toEqual([]);
    driver = await startOpen(pools.options);
  });
});
