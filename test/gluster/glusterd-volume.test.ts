import { mkdir, mkdtemp, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Driver, driverPaths } from '../lib/driver.js';
import { COUNTED_LATE, fillWithFiles } from '../lib/fill-with-files.js';
import { Glusterd } from '../lib/glusterd.js';
import { publishNew } from '../lib/published-volume.js';
import { MiB, SHARED, createRequest, expectStatus, retried } from '../lib/requests.js';
import { mustRun, runCommand } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';

/** A volume of glusterd's as a pool: no ssh, no gluster CLI; what the administrator has to do is in the error. */
describe('pool of type gluster', () => {
  let directory: string;
  let glusterd: Glusterd;
  let driver: Driver;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'glusterd-'));
    await mkdir(join(directory, 'server'));
    glusterd = await Glusterd.start(join(directory, 'server'));
    await glusterd.gluster('volume', 'create', 'gv0', glusterd.brick('brick'), 'force');
    await glusterd.gluster('volume', 'start', 'gv0');
    driver = await Driver.start({
      directory,
      pools: [{ name: 'ext', type: 'gluster', hosts: ['127.0.0.254', glusterd.host], volume: 'gv0' }],
    });
  });

  afterAll(async () => {
    await driver?.stop();
    await glusterd?.stop();
  });

  const create = (name: string, sizeMiB = 64) =>
    driver.client.controller.CreateVolume(createRequest(name, { sizeMiB }));
  const doctor = () => {
    const { config, stateDir } = driverPaths(directory);
    return runCommand(process.execPath, ['dist/kayal.js', 'doctor', '--config', config, '--state-dir', stateDir], {
      timeoutMs: 240_000,
    });
  };

  it('names both commands while quota is not on', async () => {
    const asked = waitFor(
      'the refusal',
      () =>
        create('early').then(
          () => undefined,
          (error: Error) => (error.message.includes('quota') ? error : undefined),
        ),
      { timeoutMs: 60_000, intervalMs: 500 },
    );
    const error = await asked;
    expect(error.message).toMatch(/^9 FAILED_PRECONDITION/);
    expect(error.message).toContain('gluster volume quota gv0 enable');
    expect(error.message).toContain('gluster volume set gv0 features.quota-deem-statfs on');
  });

  it('works once they were run, although the first host does not answer, and warns of the timeouts with the commands', async () => {
    await glusterd.gluster('volume', 'quota', 'gv0', 'enable');
    await glusterd.gluster('volume', 'set', 'gv0', 'features.quota-deem-statfs', 'on');
    await waitFor('the pool', () => create('vol').catch(() => undefined), { timeoutMs: 60_000, intervalMs: 500 });
    const log = await readFile(driverPaths(directory).log, 'utf8');
    expect(log).toContain('gluster volume quota gv0 soft-timeout 0 && gluster volume quota gv0 hard-timeout 0');
  });

  it('doctor measures the overshoot and says what mends it', async () => {
    const before = await doctor();
    expect([before.code, before.stdout]).toEqual([1, expect.stringMatching(/PROBLEM pool ext: .*hard-timeout 5 s/)]);
    await glusterd.gluster('volume', 'quota', 'gv0', 'soft-timeout', '0');
    await glusterd.gluster('volume', 'quota', 'gv0', 'hard-timeout', '0');
    const after = await doctor();
    expect([after.code, after.stdout]).toEqual([0, expect.stringMatching(/ok .*a writer was stopped at/)]);
  });

  it('stops a writer at the limit, and df shows the limit', async () => {
    const staging_target_path = join(directory, 'staging');
    const target_path = join(directory, 'target');
    await mkdir(staging_target_path);
    const request = { volume_id: 'ext/vol', staging_target_path, volume_capability: SHARED };
    await retried(() => driver.client.node.NodeStageVolume(request));
    await retried(() => driver.client.node.NodePublishVolume({ ...request, target_path }));
    const df = await mustRun('df', ['--output=size', '-B1', target_path]);
    expect(Number(df.trim().split('\n')[1])).toBe(64 * MiB);
    const written = await runCommand('dd', ['if=/dev/zero', `of=${target_path}/f`, 'bs=1M', 'count=200', 'conv=fsync']);
    expect([written.code, written.stderr]).toEqual([1, expect.stringMatching(/Disk quota exceeded/)]);
    // glusterd's graph keeps write-behind; on a busy machine one writer was seen 4.3 MiB beyond.
    expect((await stat(join(target_path, 'f'))).size).toBeLessThan((64 + 8) * MiB);
    await driver.client.node.NodeUnpublishVolume({ volume_id: 'ext/vol', target_path });
    await driver.client.node.NodeUnstageVolume({ volume_id: 'ext/vol', staging_target_path });
  });

  it('stops a writer at the number of files', async () => {
    const volume = await publishNew(driver, 'counted', { sizeMiB: 64, parameters: { inodeLimit: '30' } });
    const { files, error } = await fillWithFiles(volume.path);
    expect(error).toMatch(/Disk quota exceeded/);
    expect(files).toBeGreaterThanOrEqual(29);
    expect(files).toBeLessThanOrEqual(29 + COUNTED_LATE);
    await volume.unpublish();
    await retried(() => driver.client.controller.DeleteVolume({ volume_id: volume.handle }));
  });

  it('is unavailable while the volume is stopped, says so, and comes back', async () => {
    await glusterd.gluster('volume', 'stop', 'gv0', 'force');
    await waitFor('the pool to be down', () =>
      create('down').then(
        () => undefined,
        (error: Error) => (error.message.startsWith('14 UNAVAILABLE') ? true : undefined),
      ),
    );
    await expectStatus(create('down'), 'UNAVAILABLE', /pool ext|storage failed/);
    await glusterd.gluster('volume', 'start', 'gv0');
    await waitFor('the pool to come back', () => create('down').catch(() => undefined), {
      timeoutMs: 90_000,
      intervalMs: 500,
    });
    for (const id of ['ext/vol', 'ext/down']) {
      await retried(() => driver.client.controller.DeleteVolume({ volume_id: id }));
    }
  });
});
