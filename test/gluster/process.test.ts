import { mkdir, mkdtemp, readFile, readdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Driver, driverPaths, writeConfig } from '../lib/driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { servedMetrics } from '../lib/metrics.js';
import { publishNew } from '../lib/published-volume.js';
import { SHARED, createRequest, expectStatus, retried } from '../lib/requests.js';
import { runCommand } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';

interface LogLine {
  readonly msg: string;
  readonly method?: string;
  readonly [field: string]: unknown;
}

/** Where the mount point of a pool lies on a filesystem other than the root's, its pool.json is missed. */
const NOT_THERE = /nothing is mounted at|has no \.kayal\/pool\.json/;

/** The process as an operator sees it: socket, log, metrics, configuration, signals. */
describe('kayal all', () => {
  let directory: string;
  let one: LoopDirectory;
  let two: LoopDirectory;
  let driver: Driver;
  const pool = (name: string, path: string): object => ({ name, type: 'directory', path, shared: true, quota: 'none' });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'process-'));
    one = await loopDirectory(directory, 'one', 32);
    two = await loopDirectory(directory, 'two', 32);
    driver = await Driver.start({
      directory,
      pools: [pool('one', one.path)],
      metricsAddress: '127.0.0.1:0',
      logLevel: 'debug',
    });
  });

  afterAll(async () => {
    await driver?.stop();
    await one?.remove();
  });

  const logLines = async (): Promise<LogLine[]> =>
    (await readFile(driverPaths(directory).log, 'utf8'))
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine);

  it('serves on a socket that root alone may use', async () => {
    const { socket } = driverPaths(directory);
    expect((await stat(socket)).mode & 0o777).toBe(0o600);
  });

  it('refuses to take a socket that is served, and a file that is none', async () => {
    const second = await runCommand(process.execPath, [
      'dist/kayal.js',
      'all',
      '--config',
      driverPaths(directory).config,
      '--endpoint',
      `unix://${driverPaths(directory).socket}`,
      '--state-dir',
      join(directory, 'state2'),
      '--kubelet-dir',
      join(directory, 'kubelet2'),
    ]);
    expect([second.code, second.stderr]).toEqual([1, expect.stringMatching(/is served by another process/)]);
  });

  it('logs one line per call with method, volume, status, time and request id', async () => {
    await retried(() => driver.client.controller.CreateVolume(createRequest('logged')));
    await retried(() => driver.client.controller.DeleteVolume({ volume_id: 'one/logged' }));
    const line = await waitFor('the log line', async () =>
      (await logLines()).find(({ msg, method }) => msg === 'rpc' && method === 'DeleteVolume'),
    );
    expect(line).toMatchObject({ volume: 'one/logged', code: 'OK', ms: expect.any(Number) as number });
    expect(line['requestId']).toMatch(/^[0-9a-f]{12}$/);
  });

  it('never logs a secret or a service-account token', async () => {
    const secret = 'hunter2-in-the-clear';
    const secrets = { password: secret };
    const volume_context = { 'csi.storage.k8s.io/serviceAccount.tokens': `{"a":{"token":"${secret}"}}` };
    const { controller, node } = driver.client;
    await controller.CreateVolume({ ...createRequest('s'), secrets }).catch(() => undefined);
    const volume_id = 'one/s';
    const paths = { staging_target_path: join(directory, 'st'), target_path: join(directory, 'tg') };
    await node
      .NodeStageVolume({
        volume_id,
        staging_target_path: paths.staging_target_path,
        secrets,
        volume_context,
        volume_capability: SHARED,
      })
      .catch(() => undefined);
    await node
      .NodePublishVolume({ volume_id, ...paths, secrets, volume_context, volume_capability: SHARED })
      .catch(() => undefined);
    await node.NodeUnpublishVolume({ volume_id, target_path: paths.target_path });
    await controller.DeleteVolume({ volume_id, secrets });
    const log = await readFile(driverPaths(directory).log, 'utf8');
    expect(log).toContain('***stripped***');
    expect(log).not.toContain(secret);
  });

  it('serves metrics: calls by method and status, volumes and bytes by pool, trash, mounts', async () => {
    const text = await servedMetrics(driverPaths(directory).log);
    expect(text).toMatch(/kayal_rpc_calls_total\{method="CreateVolume",code="OK"\} \d/);
    expect(text).toMatch(/kayal_rpc_duration_seconds_bucket\{le="0.01",method="Probe",code="OK"\} \d/);
    expect(text).toMatch(/kayal_pool_open\{pool="one"\} 1/);
    expect(text).toMatch(/kayal_pool_bytes\{pool="one",kind="available"\} \d{7,}/);
    expect(text).toMatch(/kayal_pool_trash_entries\{pool="one"\} \d/);
    expect(text).toMatch(/kayal_client_mount_up\{pool="one"\} 1/);
  });

  it('opens its socket to a group when told so', async () => {
    const home = join(directory, 'group');
    await mkdir(home);
    const other = await Driver.start({ directory: home, pools: [], env: { KAYAL_SOCKET_GROUP: '4711' } });
    try {
      const { mode, gid } = await stat(driverPaths(home).socket);
      expect([mode & 0o777, gid]).toEqual([0o660, 4711]);
    } finally {
      await other.stop();
    }
  });

  it('does not delete a volume that a pod of this machine uses', async () => {
    const volume = await publishNew(driver, 'used', {});
    const remove = (): Promise<object> => driver.client.controller.DeleteVolume({ volume_id: volume.handle });
    await expectStatus(remove(), 'FAILED_PRECONDITION', /in use on this node: unpublish it first/);
    await volume.unpublish();
    await retried(remove);
  });

  it('takes a changed configuration up without a restart, and keeps the old one when the new is not valid', async () => {
    await retried(() => driver.client.controller.CreateVolume(createRequest('stays')));
    await writeConfig(directory, [pool('one', one.path), pool('two', two.path)]);
    await waitFor('the second pool', () =>
      driver.client.controller
        .CreateVolume(createRequest('there', { parameters: { pool: 'two' } }))
        .catch(() => undefined),
    );
    await writeConfig(directory, [{ ...pool('one', one.path), colour: 'red' }]);
    const refused = await waitFor('the refusal', async () =>
      (await logLines()).find(({ msg }) => msg.startsWith('the changed configuration is not valid')),
    );
    expect(refused['error']).toMatch(/config\.yaml: pools\[0\]\.colour: is not a key/);
    await retried(() => driver.client.controller.DeleteVolume({ volume_id: 'two/there' }));
    await writeConfig(directory, [pool('one', one.path)]);
    await waitFor('the second pool to go', () =>
      driver.client.controller
        .GetCapacity({ parameters: { pool: 'two' } })
        .then(() => undefined)
        .catch((error: Error) => (error.message.includes('two is unknown') ? true : undefined)),
    );
    await retried(() => driver.client.controller.DeleteVolume({ volume_id: 'one/stays' }));
  });

  it('lets a pool that is down fail its own calls only, and lists what was known of it as abnormal', async () => {
    await writeConfig(directory, [pool('one', one.path), pool('two', two.path)]);
    const create = (name: string, parameters: Record<string, string>) =>
      driver.client.controller.CreateVolume(createRequest(name, { parameters }));
    await waitFor('the second pool', () => create('known', { pool: 'two' }).catch(() => undefined));
    await two.remove();
    await writeConfig(directory, [pool('one', one.path), { ...pool('two', two.path), overcommit: 2 }]);
    await waitFor('the second pool to be down', () =>
      driver.client.controller
        .GetCapacity({ parameters: { pool: 'two' } })
        .then(() => undefined)
        .catch((error: Error) => (NOT_THERE.test(error.message) ? true : undefined)),
    );
    await expectStatus(create('x', { pool: 'two' }), 'UNAVAILABLE', /pool two is not available: /);
    await expectStatus(create('x', { pool: 'two' }), 'UNAVAILABLE', NOT_THERE);
    await retried(() => create('works', { pool: 'one' }));
    const { entries } = await driver.client.controller.ListVolumes({});
    const abnormal = entries.map(({ volume, status }) => [volume?.volume_id, status?.volume_condition?.abnormal]);
    expect(abnormal).toEqual([
      ['one/works', false],
      ['two/known', true],
    ]);
    await retried(() => driver.client.controller.DeleteVolume({ volume_id: 'one/works' }));
  });

  it('still lists them after a restart', async () => {
    await driver.stop();
    driver = await Driver.start({ directory, pools: [pool('one', one.path), pool('two', two.path)] });
    const { entries } = await driver.client.controller.ListVolumes({});
    expect(entries.map(({ volume, status }) => [volume?.volume_id, status?.volume_condition?.abnormal])).toEqual([
      ['two/known', true],
    ]);
  });

  it('never takes a pool that is not open yet for one that it does not have', async () => {
    const recordsOf = async (): Promise<string[]> =>
      (await readdir(join(one.path, '.kayal', 'volumes'), { recursive: true })).filter((name) =>
        name.endsWith('.json'),
      );
    for (let round = 0; round < 3; round++) {
      await retried(() =>
        driver.client.controller.CreateVolume(createRequest('early', { parameters: { pool: 'one' } })),
      );
      expect(await recordsOf()).toHaveLength(1);
      await driver.kill();
      driver = await Driver.start({ directory, pools: [pool('one', one.path), pool('two', two.path)] });
      await retried(() => driver.client.controller.DeleteVolume({ volume_id: 'one/early' }));
      expect(await recordsOf()).toEqual([]);
    }
  });

  it('ends with 0 on SIGTERM', async () => {
    expect(await driver.stop()).toBe(0);
  });
});
