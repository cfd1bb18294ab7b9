import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordPath } from '../../src/volumes/records/layout.js';
import { parseRecord, type VolumeRecord } from '../../src/volumes/records/record.js';
import { Driver, driverPaths } from '../lib/driver.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { writeMiB } from '../lib/managed-pool.js';
import { SHARED, createRequest, expectStatus, retried } from '../lib/requests.js';
import { twoPools, type TwoPools } from '../lib/two-pools.js';
import { waitFor } from '../lib/wait.js';

/** What a VolumeAttributesClass changes, and the condition that softLimitPercent decides. */
describe('mutable parameters', () => {
  let pools: TwoPools;
  let driver: KillableDriver;

  beforeAll(async () => {
    pools = await twoPools('modify-');
    driver = await KillableDriver.start(pools.options);
  });

  afterAll(async () => {
    await driver?.stop();
    await pools?.remove();
  });

  const create = (name: string, poolName: string, mutable: Record<string, string> = {}) =>
    retried(() =>
      driver.client.controller.CreateVolume({
        ...createRequest(name, { sizeMiB: 8, parameters: { pool: poolName } }),
        mutable_parameters: mutable,
      }),
    );
  const modify = (handle: string, mutable: Record<string, string>) =>
    driver.client.controller.ControllerModifyVolume({ volume_id: handle, mutable_parameters: mutable });
  const record = async (id: string): Promise<VolumeRecord> =>
    parseRecord(id, await readFile(join(pools.path, recordPath(id)), 'utf8'));
  const remove = (handle: string) => retried(() => driver.client.controller.DeleteVolume({ volume_id: handle }));

  it('are taken at creation, before those of the StorageClass, and do not make another volume of it', async () => {
    await create('made', 'dir', { onDelete: 'retain', softLimitPercent: '80' });
    expect(await record('made')).toMatchObject({ onDelete: 'retain', softLimitPercent: 80 });
    await create('made', 'dir', { softLimitPercent: '70' });
    expect(await record('made')).toMatchObject({ onDelete: 'retain', softLimitPercent: 70 });
    await modify('dir/made', { onDelete: 'delete' });
    await remove('dir/made');
    await expect(stat(join(pools.path, recordPath('made')))).rejects.toThrow('ENOENT');
  });

  it('are changed later, one by one; the same again writes nothing', async () => {
    await create('later', 'dir');
    await modify('dir/later', { onDelete: 'archive' });
    await modify('dir/later', { softLimitPercent: '50' });
    expect(await record('later')).toMatchObject({ onDelete: 'archive', softLimitPercent: 50, state: 'ready' });
    const before = await stat(join(pools.path, recordPath('later')));
    await modify('dir/later', { onDelete: 'archive', softLimitPercent: '50' });
    await modify('dir/later', {});
    expect((await stat(join(pools.path, recordPath('later')))).ino).toBe(before.ino);
    await remove('dir/later');
    expect(await readdir(join(pools.path, '.kayal/archive'))).toHaveLength(1);
  });

  it('are refused when they are unknown, wrong, or of a volume that does not exist', async () => {
    await create('refused', 'dir');
    await expectStatus(modify('dir/refused', { iops: '3' }), 'INVALID_ARGUMENT', /"iops"; known are onDelete, soft/);
    await expectStatus(
      modify('dir/refused', { softLimitPercent: '100' }),
      'INVALID_ARGUMENT',
      /softLimitPercent: "100" is not a whole number from 1 to 99/,
    );
    await expectStatus(modify('dir/none', { onDelete: 'delete' }), 'NOT_FOUND', /does not exist/);
    await expectStatus(modify('', { onDelete: 'delete' }), 'INVALID_ARGUMENT', /volume_id/);
    await remove('dir/refused');
  });

  it('softLimitPercent is where ControllerGetVolume begins to warn', async () => {
    const { volume } = await create('filling', 'fast');
    const handle = volume?.volume_id ?? '';
    const condition = async () =>
      (await driver.client.controller.ControllerGetVolume({ volume_id: handle })).status?.volume_condition;
    expect(await condition()).toMatchObject({ abnormal: false });
    expect(await writeMiB(join(pools.controlMount, volume?.volume_context['path'] ?? '', 'file'), 5)).toMatchObject({
      ok: true,
    });
    expect(await condition()).toMatchObject({ abnormal: false });
    await modify(handle, { softLimitPercent: '50' });
    expect(await condition()).toMatchObject({
      abnormal: true,
      message: expect.stringMatching(/% of 8 MiB are used \(softLimitPercent 50\): expand the volume/) as string,
    });
    await modify(handle, { softLimitPercent: '90' });
    expect(await condition()).toMatchObject({ abnormal: false });
    await remove(handle);
    await expectStatus(driver.client.controller.ControllerGetVolume({ volume_id: handle }), 'NOT_FOUND', /not exist/);
  });

  it('entries that wait to be healed are a condition of the volumes of their pool alone, on both sides', async () => {
    await create('healing', 'fast');
    await create('apart', 'dir');
    const { kubeletDir } = driverPaths(pools.directory);
    const staging_target_path = join(kubeletDir, 'staging');
    const target_path = join(kubeletDir, 'pods/p/mount');
    const place = { volume_id: 'fast/healing', volume_capability: SHARED, staging_target_path };
    await mkdir(staging_target_path, { recursive: true });
    await mkdir(dirname(target_path), { recursive: true });
    await retried(() => driver.client.node.NodeStageVolume(place));
    await retried(() => driver.client.node.NodePublishVolume({ ...place, target_path }));

    const index = join(pools.directory, 'brick/.glusterfs/indices/xattrop');
    await mkdir(index, { recursive: true });
    const entry = join(index, '5f9cd5a4-2c1c-4e5e-9c1f-4d2c8a0b1e11');
    await writeFile(entry, '');
    const look = async (): Promise<readonly (string | undefined)[]> => {
      const { controller, node } = driver.client;
      const { entries } = await controller.ListVolumes({});
      const listed = (handle: string) => entries.find(({ volume }) => volume?.volume_id === handle)?.status;
      const got = await controller.ControllerGetVolume({ volume_id: 'fast/healing' });
      const stats = await node.NodeGetVolumeStats({ volume_id: 'fast/healing', volume_path: target_path });
      return [listed('fast/healing')?.volume_condition, got.status?.volume_condition, stats.volume_condition].map(
        (condition) => (condition?.abnormal === true ? condition.message : undefined),
      );
    };
    const abnormal = await waitFor('the entry to be told of', async () => {
      const answers = await look();
      return answers.every((message) => message !== undefined) ? answers : undefined;
    });
    for (const message of abnormal) expect(message).toMatch(/^pool fast has 1 entry to heal/);
    const apart = await driver.client.controller.ControllerGetVolume({ volume_id: 'dir/apart' });
    expect(apart.status?.volume_condition).toMatchObject({ abnormal: false });
    await rm(entry);
    await waitFor('the volume to be well again', async () =>
      (await look()).every((message) => message === undefined) ? true : undefined,
    );
    await driver.client.node.NodeUnpublishVolume({ volume_id: 'fast/healing', target_path });
    await driver.client.node.NodeUnstageVolume({ volume_id: 'fast/healing', staging_target_path });
    await remove('fast/healing');
    await remove('dir/apart');
  });

  it('are the old ones or the new ones after a kill -9 anywhere, and a retry finishes', async () => {
    await create('killed', 'dir');
    const changes = ['archive', 'retain'] as const;
    let turn = 0;
    let before = 'delete';
    const wanted = (): string => changes[turn % 2] ?? '';
    const { visited } = await driver.killEverywhere({
      what: 'ControllerModifyVolume',
      call: () => modify('dir/killed', { onDelete: wanted() }),
      check: async () => {
        expect([before, wanted()]).toContain((await record('killed')).onDelete);
        await retried(() => modify('dir/killed', { onDelete: wanted() }));
        expect(await record('killed')).toMatchObject({ onDelete: wanted(), state: 'ready' });
        before = wanted();
        turn++;
      },
    });
    console.log(`kill -9 at ${visited} points of modify`);
    expect(visited).toBeGreaterThan(2);
    await modify('dir/killed', { onDelete: 'delete' });
    await remove('dir/killed');
  }, 300_000);

  it('a pool that is gone is the condition of its volumes, not an error', async () => {
    await create('dark', 'fast');
    await driver.stop();
    const fast = pools.options.pools.filter(({ name }) => name === 'fast');
    const apart = await Driver.start({ ...pools.options, role: 'controller', pools: fast });
    const look = () => apart.client.controller.ControllerGetVolume({ volume_id: 'fast/dark' });
    expect((await retried(look)).status?.volume_condition).toMatchObject({
      abnormal: true,
      message: expect.stringMatching(/^pool fast is not available: /) as string,
    });
    await apart.stop();
    await driver.restart();
    await remove('fast/dark');
  });
});
