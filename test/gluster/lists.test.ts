import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VolumeRow } from '../../src/cli/volume-rows.js';
import { bucketOf } from '../../src/volumes/records/handle.js';
import { recordPath } from '../../src/volumes/records/layout.js';
import { driverPaths, type Driver } from '../lib/driver.js';
import { kayal } from '../lib/kayal.js';
import { writeMiB } from '../lib/managed-pool.js';
import { startOpen } from '../lib/open-driver.js';
import { MiB, SHARED, claimParameters, createRequest, retried } from '../lib/requests.js';
import { twoPools, type TwoPools } from '../lib/two-pools.js';
import { waitFor } from '../lib/wait.js';

const DAY_MS = 24 * 60 * 60 * 1000;

describe('kayal volumes', () => {
  let pools: TwoPools;
  let driver: Driver;

  beforeAll(async () => {
    pools = await twoPools('lists-');
    driver = await startOpen(pools.options);
    const parameters = { pool: 'dir' };
    await create('live', { ...parameters, ...claimParameters('team', 'data', 'pv-live') });
    await create('kept', { ...parameters, onDelete: 'retain' });
    await create('aside', { ...parameters, onDelete: 'archive' });
    await remove('dir/kept');
    await remove('dir/aside');
  });

  afterAll(async () => {
    await driver?.stop();
    await pools?.remove();
  });

  const create = (name: string, parameters: Record<string, string>) =>
    retried(() => driver.client.controller.CreateVolume(createRequest(name, { sizeMiB: 8, parameters })));
  const remove = (handle: string) => retried(() => driver.client.controller.DeleteVolume({ volume_id: handle }));
  const list = async (args: readonly string[], stdin = ''): Promise<VolumeRow[]> => {
    const { code, stdout, stderr } = await kayal(pools.directory, ['volumes', '-o', 'json', ...args], stdin);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout) as VolumeRow[];
  };
  const handles = async (args: readonly string[], stdin = ''): Promise<string[]> =>
    (await list(args, stdin)).map(({ handle }) => handle);

  it('shows every volume of every pool, for people and for programs', async () => {
    const rows = await list([]);
    expect(rows.map(({ handle, state }) => [handle, state])).toEqual([
      ['dir/aside', 'archived'],
      ['dir/kept', 'retained'],
      ['dir/live', 'ready'],
    ]);
    expect(rows[2]).toMatchObject({
      kind: 'volume',
      sizeBytes: 8 * MiB,
      usedBytes: null,
      claim: 'team/data',
      persistentVolume: 'pv-live',
      onDelete: 'delete',
      deletedAt: null,
      lastUsedAt: null,
    });
    const { stdout } = await kayal(pools.directory, ['volumes', '--pool', 'dir']);
    expect(stdout).toMatch(/^NAME +KIND +SIZE +USED +AGE +CLAIM +STATE +LAST USED\n/);
    expect(stdout).toMatch(/^dir\/live +volume +8 MiB +- +\d+[sm] +team\/data +ready +-$/m);
  });

  it('knows what a volume of a pool with quota uses', async () => {
    const { volume } = await create('used', { pool: 'fast' });
    expect(await writeMiB(join(pools.controlMount, volume?.volume_context['path'] ?? '', 'file'), 3)).toMatchObject({
      ok: true,
    });
    const [row] = await list(['--pool', 'fast']);
    expect(row).toMatchObject({ handle: 'fast/used', sizeBytes: 8 * MiB });
    expect(Math.abs((row?.usedBytes ?? 0) - 3 * MiB)).toBeLessThan(MiB / 2);
    await remove('fast/used');
  });

  it('shows what was archived, what was retained, and what no PersistentVolume has', async () => {
    expect(await handles(['--archived'])).toEqual(['dir/aside']);
    expect(await handles(['--retained'])).toEqual(['dir/kept']);
    expect(await handles(['--orphans'], 'dir/live\nother/x\n')).toEqual([]);
    expect(await handles(['--orphans'], 'other/x\n')).toEqual(['dir/live']);
    const nothing = await kayal(pools.directory, ['volumes', '--orphans']);
    expect(nothing).toMatchObject({ code: 1, stdout: '' });
    expect(nothing.stderr).toMatch(
      /--orphans: no cluster to ask.*Or give the handles on standard input: kubectl get pv/,
    );
  });

  it('notes that a volume is in use when it is published, and knows the unused ones by that', async () => {
    const { kubeletDir } = driverPaths(pools.directory);
    const place = {
      volume_id: 'dir/live',
      volume_capability: SHARED,
      staging_target_path: join(kubeletDir, 'staging'),
    };
    const target_path = join(kubeletDir, 'pods/p/mount');
    await mkdir(dirname(target_path), { recursive: true });
    await mkdir(place.staging_target_path);
    await driver.client.node.NodeStageVolume(place);
    await driver.client.node.NodePublishVolume({ ...place, target_path });
    const usedAt = await waitFor('the note', async () => (await list([])).at(-1)?.lastUsedAt ?? undefined);
    expect(Date.now() - Date.parse(usedAt)).toBeLessThan(60_000);
    await driver.client.node.NodeUnpublishVolume({ volume_id: 'dir/live', target_path });
    await driver.client.node.NodeUnstageVolume(place);
    expect(await handles(['--unused'])).toEqual([]);

    const note = join(pools.path, '.kayal/uses', bucketOf('live'), 'live.json');
    const long = new Date(Date.now() - 40 * DAY_MS).toISOString();
    await writeFile(note, JSON.stringify({ usedAt: long, node: 'node-1' }));
    // A note from before the volume was made is another volume's.
    expect(await handles(['--unused', '--since', '30d'])).toEqual([]);
    await writeFile(note, '{');
    expect(await handles(['--unused', '--since', '12h'])).toEqual([]);
  });

  it('lists the other pools when one cannot be read, and says so', async () => {
    const away = join(pools.directory, 'away');
    await mkdir(away);
    await writeFile(
      join(away, 'config.yaml'),
      `installation: test\npools:\n` +
        `  - { name: dir, type: directory, path: ${pools.path}, shared: true, quota: none }\n` +
        `  - { name: gone, type: directory, path: ${away}/none, shared: true, quota: none }\n`,
    );
    const { code, stdout, stderr } = await kayal(away, ['volumes']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/pool gone cannot be read/);
    expect(stdout).toMatch(/dir\/live/);
  });

  const purged = (): Promise<true> =>
    waitFor('the trash to be purged', async () =>
      (await readdir(join(pools.path, '.kayal/trash'))).length === 0 ? true : undefined,
    );

  it('purges a kept volume through the controller, and only when it is told to', async () => {
    const asked = await kayal(pools.directory, ['volume', 'purge', 'dir/aside']);
    expect(asked).toMatchObject({ code: 1, stdout: '' });
    expect(asked.stderr).toMatch(/dir\/aside \(archived since .*8 MiB.*would be removed for good; say --yes/);
    expect(await handles(['--archived'])).toEqual(['dir/aside']);

    const done = await kayal(pools.directory, ['volume', 'purge', 'dir/aside', '--yes']);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toMatch(/volume dir\/aside \(archived, 8 MiB\) is in the trash/);
    await purged();
    expect(await readdir(join(pools.path, '.kayal/archive'))).toEqual([]);
    expect(await readdir(join(pools.path, '.kayal/requests/tasks'))).toEqual([]);
    await expect(stat(join(pools.path, recordPath('aside')))).rejects.toThrow('ENOENT');
  });

  it('does not purge a volume that is in use or was never deleted', async () => {
    const live = await kayal(pools.directory, ['volume', 'purge', 'dir/live', '--yes']);
    expect(live).toMatchObject({ code: 1, stdout: '' });
    expect(live.stderr).toMatch(/dir\/live is ready: only volumes that were deleted and kept/);
    const none = await kayal(pools.directory, ['volume', 'purge', 'dir/none', '--yes']);
    expect(none.stderr).toMatch(/dir\/none does not exist/);
  });

  it('purges by itself while no controller runs, and gives the lease back', async () => {
    await driver.stop();
    const done = await kayal(pools.directory, ['volume', 'purge', 'dir/kept', '--yes']);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(await readdir(join(pools.path, '.kayal/trash'))).toEqual([]);
    await expect(stat(join(pools.path, recordPath('kept')))).rejects.toThrow('ENOENT');
    const started = performance.now();
    driver = await startOpen(pools.options);
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(await handles([])).toEqual(['dir/live']);
  });
});
