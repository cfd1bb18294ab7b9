import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeLimit, OBJECTS_XATTR } from '../../src/quota/gluster-xattrs.js';
import { recordPath } from '../../src/volumes/records/layout.js';
import { parseRecord, type VolumeRecord } from '../../src/volumes/records/record.js';
import { COUNTED_LATE, fillWithFiles } from '../lib/fill-with-files.js';
import { kayal } from '../lib/kayal.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { publishNew } from '../lib/published-volume.js';
import { createRequest, expectStatus, MiB, retried, SHARED } from '../lib/requests.js';
import { twoPools, type TwoPools } from '../lib/two-pools.js';

describe('inodeLimit on a managed pool with gluster quota', () => {
  let pools: TwoPools;
  let driver: KillableDriver;

  beforeAll(async () => {
    pools = await twoPools('inodes-');
    driver = await KillableDriver.start(pools.options);
  });
  afterAll(async () => {
    await driver?.stop();
    await pools?.remove();
  });

  const modify = (handle: string, inodeLimit: string) =>
    retried(() =>
      driver.client.controller.ControllerModifyVolume({ volume_id: handle, mutable_parameters: { inodeLimit } }),
    );
  const remove = (handle: string) => retried(() => driver.client.controller.DeleteVolume({ volume_id: handle }));
  const record = async (id: string): Promise<VolumeRecord> =>
    parseRecord(id, await readFile(join(pools.controlMount, recordPath(id)), 'utf8'));
  const inForce = (path: string): number => {
    const args = ['--only-values', '--absolute-names', '-n', OBJECTS_XATTR, join(pools.controlMount, path)];
    return Number(execFileSync('getfattr', args).readBigInt64BE(0));
  };

  it('stops a writer at the number of files, is changed while in use, and taken away', async () => {
    const wish = { sizeMiB: 8, parameters: { pool: 'fast', inodeLimit: '30' } };
    const volume = await publishNew(driver.driver, 'counted', wish);
    // The root of the volume is one of them; marker counts a moment later, and lets some more in until then.
    const first = await fillWithFiles(volume.path);
    expect(first.error).toMatch(/Disk quota exceeded/);
    expect(first.files).toBeGreaterThanOrEqual(29);
    expect(first.files).toBeLessThanOrEqual(29 + COUNTED_LATE);
    const handle = volume.handle;

    await modify(handle, '60');
    expect(inForce(volume.poolPath)).toBe(60);
    const second = await fillWithFiles(volume.path, 'more');
    expect(second.error).toMatch(/Disk quota exceeded/);
    expect(first.files + second.files).toBeGreaterThanOrEqual(59);
    expect(first.files + second.files).toBeLessThanOrEqual(59 + COUNTED_LATE);

    await retried(() =>
      driver.client.controller.ControllerExpandVolume({
        volume_id: handle,
        capacity_range: { required_bytes: 12 * MiB },
        volume_capability: SHARED,
      }),
    );
    expect(inForce(volume.poolPath)).toBe(60);
    expect(await record('counted')).toMatchObject({ inodeLimit: 60, limitBytes: BigInt(12 * MiB), state: 'ready' });

    await modify(handle, 'none');
    expect(await fillWithFiles(volume.path, 'free')).toEqual({ files: 200, error: '' });
    await volume.unpublish();
    await remove(handle);
  });

  it('is of a clone its own', async () => {
    const source = await publishNew(driver.driver, 'origin', {
      sizeMiB: 8,
      parameters: { pool: 'fast', inodeLimit: '20' },
    });
    await fillWithFiles(source.path);
    const from = { volume: { volume_id: source.handle } };
    const other = { sizeMiB: 8, parameters: { pool: 'fast', inodeLimit: '40' } };
    const limited = await publishNew(driver.driver, 'limited', other, from);
    expect(inForce(limited.poolPath)).toBe(40);
    expect((await fillWithFiles(limited.path, 'new')).error).toMatch(/Disk quota exceeded/);
    const plain = await publishNew(driver.driver, 'plain', { sizeMiB: 8, parameters: { pool: 'fast' } }, from);
    expect(await fillWithFiles(plain.path, 'new')).toEqual({ files: 200, error: '' });
    for (const volume of [limited, plain, source]) {
      await volume.unpublish();
      await remove(volume.handle);
    }
  });

  it('is mended by doctor --repair', async () => {
    const wish = createRequest('mended', { sizeMiB: 8, parameters: { pool: 'fast', inodeLimit: '50' } });
    const { volume } = await retried(() => driver.client.controller.CreateVolume(wish));
    const path = volume?.volume_context['path'] ?? '';
    const value = `0x${encodeLimit(7n, -1).toString('hex')}`;
    execFileSync('setfattr', ['-n', OBJECTS_XATTR, '-v', value, join(pools.controlMount, path)]);
    const found = await kayal(pools.directory, ['doctor', '--pool', 'fast']);
    expect(found.stdout).toMatch(
      /PROBLEM .*volume mended: its limit of inodes is 7, on record is 50: "kayal doctor --repair"/,
    );
    const mended = await kayal(pools.directory, ['doctor', '--pool', 'fast', '--repair']);
    expect(mended.stdout).toMatch(/volume mended: its limit of inodes is 7, on record is 50: it is set again/);
    expect(inForce(path)).toBe(50);
    await remove('fast/mended');
  });

  it('is refused where nothing would keep it, and when it is no number', async () => {
    const create = (parameters: Record<string, string>, mutable: Record<string, string> = {}) =>
      retried(() =>
        driver.client.controller.CreateVolume({
          ...createRequest('refused', { sizeMiB: 8, parameters }),
          mutable_parameters: mutable,
        }),
      );
    const none =
      /inodeLimit: 99: quota none of pool dir does not count files; quota gluster does, and project on one group of bricks/;
    await expectStatus(create({ pool: 'dir', inodeLimit: '99' }), 'INVALID_ARGUMENT', none);
    await expectStatus(create({ pool: 'dir' }, { inodeLimit: '99' }), 'INVALID_ARGUMENT', none);
    const few = /inodeLimit: "3" is not a whole number from 10 to 1000000000000, or none/;
    await expectStatus(create({ pool: 'fast', inodeLimit: '3' }), 'INVALID_ARGUMENT', few);
    const image = /inodeLimit: 99: the volume is .*, whose filesystem has inodes of its own/;
    const imageWish = createRequest('refused', {
      sizeMiB: 64,
      parameters: { pool: 'fast', volumeType: 'file', inodeLimit: '99' },
    });
    const single = { ...SHARED, access_mode: { mode: 'SINGLE_NODE_WRITER' as const } };
    await expectStatus(
      driver.client.controller.CreateVolume({ ...imageWish, volume_capabilities: [single] }),
      'INVALID_ARGUMENT',
      image,
    );
    const { volume } = await create({ pool: 'dir', inodeLimit: 'none' });
    const call = driver.client.controller.ControllerModifyVolume({
      volume_id: volume?.volume_id ?? '',
      mutable_parameters: { inodeLimit: '99' },
    });
    await expectStatus(call, 'INVALID_ARGUMENT', none);
    await remove('dir/refused');
  });

  it('is the old one or the new one after a kill -9 anywhere, and a retry or the next start sets it', async () => {
    const wish = createRequest('killed', { sizeMiB: 8, parameters: { pool: 'fast', inodeLimit: '50' } });
    const { volume } = await retried(() => driver.client.controller.CreateVolume(wish));
    const path = volume?.volume_context['path'] ?? '';
    let before = 50;
    let turn = 0;
    const wanted = (): number => (turn % 2 === 0 ? 70 : 90);
    const { visited } = await driver.killEverywhere({
      what: 'ControllerModifyVolume',
      call: () =>
        driver.client.controller.ControllerModifyVolume({
          volume_id: 'fast/killed',
          mutable_parameters: { inodeLimit: `${wanted()}` },
        }),
      check: async () => {
        expect([before, wanted()]).toContain((await record('killed')).inodeLimit);
        await modify('fast/killed', `${wanted()}`);
        expect(await record('killed')).toMatchObject({ inodeLimit: wanted(), state: 'ready' });
        expect(inForce(path)).toBe(wanted());
        before = wanted();
        turn++;
      },
    });
    console.log(`kill -9 at ${visited} points of a change of inodeLimit`);
    expect(visited).toBeGreaterThan(3);
    await remove('fast/killed');
  }, 300_000);
});
