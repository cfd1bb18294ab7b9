import { mkdir, mkdtemp, readFile, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LEASE_TIMES } from '../../src/volumes/pool/lease.js';
import { Driver, driverPaths } from '../lib/driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { MiB, createRequest, expectStatus, retried } from '../lib/requests.js';
import { runCommand } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';

/** Two controllers on one pool: nothing is promised twice, whatever happens to the one that holds the lease. */
describe('one writer per pool', () => {
  let directory: string;
  let pool: LoopDirectory;
  const drivers: Driver[] = [];

  const start = async (name: string, options: { readonly installation?: string; readonly path?: string } = {}) => {
    const driver = await Driver.start({
      directory: join(directory, name),
      role: 'controller',
      nodeId: name,
      installation: options.installation,
      pools: [{ name: 'dir', type: 'directory', path: options.path ?? pool.path, shared: true, quota: 'none' }],
    });
    drivers.push(driver);
    return driver;
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'writer-'));
    for (const name of ['a', 'b']) await mkdir(join(directory, name));
    pool = await loopDirectory(directory, 'pool', 128);
  });

  afterEach(async () => {
    for (const driver of drivers.splice(0)) await driver.kill();
    await pool.remove();
  });

  const SIZE_MIB = 10;
  /** Every name once; resolves to the handles that were promised, within the time that its calls are repeated for. */
  const createAll = (driver: Driver, names: readonly string[], repeatMs?: number) =>
    Promise.all(
      names.map((name) =>
        retried(() => driver.client.controller.CreateVolume(createRequest(name, { sizeMiB: SIZE_MIB })), repeatMs)
          .then(({ volume }) => volume?.volume_id ?? '')
          .catch(() => undefined),
      ),
    );
  const names = Array.from({ length: 32 }, (_, i) => `v${i}`);

  /** What the records on disk promise, and what the driver says is left, add up to no more than the pool. */
  const checkPromises = async (driver: Driver): Promise<number> => {
    const { entries } = await retried(() => driver.client.controller.ListVolumes({}));
    const promised = entries.reduce((sum, { volume }) => sum + Number(volume?.capacity_bytes), 0);
    let onDisk = 0;
    for (const bucket of await readdir(join(pool.path, '.kayal/volumes'))) {
      for (const file of await readdir(join(pool.path, '.kayal/volumes', bucket))) {
        const record = JSON.parse(await readFile(join(pool.path, '.kayal/volumes', bucket, file), 'utf8')) as {
          limitBytes: string;
        };
        onDisk += Number(record.limitBytes);
      }
    }
    expect(onDisk).toBe(promised);
    expect(onDisk).toBeLessThanOrEqual(128 * MiB);
    return entries.length;
  };

  it('follows at once a holder that was killed in the middle of 32 creates', async () => {
    const a = await start('a');
    await retried(() => a.client.controller.GetCapacity({}));
    const b = await start('b');
    await expectStatus(b.client.controller.GetCapacity({}), 'UNAVAILABLE', /lease is held by the controller on a /);
    const first = createAll(a, names);
    await waitFor(
      'the first volumes',
      async () => ((await readdir(join(pool.path, 'volumes'))).length > 3 ? true : undefined),
      {
        intervalMs: 1,
      },
    );
    await a.kill();
    const killed = performance.now();
    await retried(() => b.client.controller.GetCapacity({}));
    // A holder that may still live is waited for longer (LEASE_TIMES).
    expect(performance.now() - killed).toBeLessThan(LEASE_TIMES.takeOverAfter - 4_000);
    await first;
    const made = (await createAll(b, names)).filter((handle) => handle !== undefined);
    expect(await checkPromises(b)).toBe(made.length);
    expect(made.length).toBeGreaterThan(8);
  });

  it('takes over from a holder that is stopped, and the holder changes nothing when it wakes up', async () => {
    const a = await start('a');
    await retried(() => a.client.controller.GetCapacity({}));
    const b = await start('b');
    // What it answers when it wakes up is final.
    const first = createAll(a, names, 5_000);
    await waitFor(
      'the first volumes',
      async () => ((await readdir(join(pool.path, 'volumes'))).length > 3 ? true : undefined),
      {
        intervalMs: 1,
      },
    );
    process.kill(a.pid, 'SIGSTOP');
    try {
      await waitFor(
        'the other controller to take over',
        () =>
          b.client.controller.GetCapacity({}).then(
            () => true as const,
            () => undefined,
          ),
        { timeoutMs: 60_000, intervalMs: 500 },
      );
      await createAll(b, names);
    } finally {
      process.kill(a.pid, 'SIGCONT');
    }
    await first;
    await checkPromises(b);
    // The call that it was stopped in is beyond its deadline when it wakes up; what comes after that is told of the lease.
    await expectStatus(a.client.controller.GetCapacity({}), 'UNAVAILABLE', /lease|did not answer within/);
    await checkPromises(b);
  });

  it('refuses the pool of another installation, and says how to take it over', async () => {
    const a = await start('a');
    await retried(() => a.client.controller.GetCapacity({}));
    await a.stop();
    const b = await start('b', { installation: 'other' });
    await expectStatus(
      b.client.controller.CreateVolume(createRequest('x')),
      'FAILED_PRECONDITION',
      /belongs to installation "test", this is "other": .*kayal pool takeover dir/,
    );
  });

  it('gives it to the other installation by the command that the error names, volumes and all', async () => {
    const a = await start('a');
    await retried(() => a.client.controller.CreateVolume(createRequest('moves')));
    await a.stop();
    const b = await start('b', { installation: 'other' });
    const { config, stateDir } = driverPaths(join(directory, 'b'));
    const argv = ['dist/kayal.js', 'pool', 'takeover', 'dir', '--config', config, '--state-dir', stateDir];
    const { code, stdout } = await runCommand(process.execPath, argv);
    expect([code, stdout]).toEqual([0, 'pool dir belonged to installation test, now it belongs to other\n']);
    await waitFor('the pool', () => b.client.controller.GetCapacity({}).catch(() => undefined), { intervalMs: 200 });
    const { entries } = await b.client.controller.ListVolumes({});
    expect(entries.map(({ volume }) => volume?.volume_id)).toEqual(['dir/moves']);
  });

  it('refuses a bare directory where the pool should be mounted', async () => {
    const a = await start('a');
    await retried(() => a.client.controller.CreateVolume(createRequest('x')));
    await a.stop();
    await pool.remove();
    const again = await start('a');
    await expectStatus(
      again.client.controller.CreateVolume(createRequest('y')),
      'UNAVAILABLE',
      /nothing is mounted at|has no .kayal\/pool.json/,
    );
    expect(await readdir(pool.path)).toEqual([]);
    pool = await loopDirectory(directory, 'pool2', 16);
  });
});
