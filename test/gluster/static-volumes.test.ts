import { mkdir, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Driver } from '../lib/driver.js';
import { MiB, SHARED, createRequest, expectStatus, retried } from '../lib/requests.js';
import { mustRun, runCommand } from '../lib/run-command.js';

/** Existing directories as volumes, on real GlusterFS with its own quota: what an administrator's PV asks for. */
describe('static volumes', () => {
  let directory: string;
  let driver: Driver;
  let mount: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'static-'));
    driver = await Driver.start({
      directory,
      pools: [{ name: 'r1', type: 'managed', replica: 1, bricks: [join(directory, 'brick')], quota: 'gluster' }],
    });
    await retried(() => driver.client.controller.GetCapacity({}));
    // The administrator's own view of the pool is the brick's content: one brick holds everything.
    mount = join(directory, 'state/control/r1/mnt');
    for (const name of ['legacy', 'big', 'shared/a']) {
      await mkdir(join(mount, name), { recursive: true });
      await writeFile(join(mount, name, 'file'), name);
    }
  });

  afterAll(async () => {
    await driver?.stop();
  });

  const target = (name: string): string => join(directory, 'targets', name);
  const publish = async (handle: string, attributes: Record<string, string>, name: string): Promise<string> => {
    await mkdir(join(directory, 'targets'), { recursive: true });
    const staging_target_path = join(directory, 'targets', `${name}-staging`);
    await mkdir(staging_target_path, { recursive: true });
    const request = { volume_id: handle, staging_target_path, volume_context: attributes, volume_capability: SHARED };
    await retried(() => driver.client.node.NodeStageVolume(request), 15_000);
    await retried(() => driver.client.node.NodePublishVolume({ ...request, target_path: target(name) }), 15_000);
    return target(name);
  };
  const unpublish = (handle: string, name: string) =>
    driver.client.node.NodeUnpublishVolume({ volume_id: handle, target_path: target(name) });

  it('serves an existing directory, to two PVs at once, and deleting it touches nothing', async () => {
    const attributes = { pool: 'r1', path: 'legacy' };
    const one = await publish('r1/legacy', attributes, 'one');
    const two = await publish('r1/legacy', attributes, 'two');
    await writeFile(join(one, 'new'), 'x');
    expect((await readdir(two)).sort()).toEqual(['file', 'new']);
    await unpublish('r1/legacy', 'one');
    await unpublish('r1/legacy', 'two');
    await retried(() => driver.client.controller.DeleteVolume({ volume_id: 'r1/legacy' }));
    expect(await readFile(join(mount, 'legacy/file'), 'utf8')).toBe('legacy');
  });

  it('imports one that has a size: record, limit, and the limit holds', async () => {
    const path = await publish('r1/big', { pool: 'r1', path: 'big', size: String(20 * MiB) }, 'big');
    const df = await mustRun('df', ['--output=size', '-B1', path]);
    expect(Number(df.trim().split('\n')[1])).toBe(20 * MiB);
    const written = await runCommand('dd', ['if=/dev/zero', `of=${path}/fill`, 'bs=1M', 'count=64', 'conv=fsync']);
    expect([written.code, written.stderr]).toEqual([1, expect.stringMatching(/Disk quota exceeded/)]);
    const { entries } = await driver.client.controller.ListVolumes({});
    expect(entries.map(({ volume }) => [volume?.volume_id, volume?.capacity_bytes])).toEqual([
      ['r1/big', String(20 * MiB)],
    ]);
    await unpublish('r1/big', 'big');
    await retried(() => driver.client.controller.DeleteVolume({ volume_id: 'r1/big' }));
    expect(await readFile(join(mount, 'big/file'), 'utf8')).toBe('big');
  });

  it('tells the pod why a directory is not imported', async () => {
    const huge = { pool: 'r1', path: 'legacy', size: String(1 << 30) + '000000' };
    await expectStatus(publish('r1/huge', huge, 'huge'), 'RESOURCE_EXHAUSTED', /not imported: pool r1 has .* left/);
  });

  it.each([
    ['.kayal', /\.kayal/],
    ['.kayal/volumes', /\.kayal/],
    ['.', /./],
    ['../x', /\.\./],
    ['/etc', /./],
    ['volumes', /volumes/],
  ])('refuses the path %j', async (path, message) => {
    await expectStatus(publish('r1/evil', { pool: 'r1', path }, 'evil'), 'INVALID_ARGUMENT', message);
  });

  it('refuses a path in, at or above another volume', async () => {
    const { volume } = await retried(() =>
      driver.client.controller.CreateVolume(createRequest('tenant', { parameters: { pathPattern: 'team/vol' } })),
    );
    expect(volume?.volume_context['path']).toBe('team/vol');
    for (const path of ['team', 'team/vol', 'team/vol/sub']) {
      await expect(publish('r1/evil', { pool: 'r1', path }, 'evil')).rejects.toThrow(/team/);
    }
    await retried(() => driver.client.controller.DeleteVolume({ volume_id: 'r1/tenant' }));
  });

  it('refuses attributes that disagree with the handle', async () => {
    await expectStatus(publish('r1/legacy', { pool: 'r2', path: 'legacy' }, 'x'), 'INVALID_ARGUMENT', /pool/);
    await expectStatus(publish('r1/none', { pool: 'r1', path: 'nowhere' }, 'x'), 'NOT_FOUND', /nowhere/);
  });
});
