import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flockHolders } from '../../../src/linux/file-locks.js';
import { Confinement } from '../../lib/confinement.js';
import { driverPaths } from '../../lib/driver.js';
import { KillableDriver } from '../../lib/killable-driver.js';
import { removeLeftovers } from '../../lib/leftovers.js';
import { SHARED, createRequest, retried } from '../../lib/requests.js';
import { mustRun } from '../../lib/run-command.js';
import { waitFor } from '../../lib/wait.js';
import { FILE_TIMEOUT_MS } from '../../runner/long.js';

const POOL = 'p';

/** The driver dies while it starts a client in the mounter's container, or takes it away. */
describe('kill -9 with a mounter', { timeout: FILE_TIMEOUT_MS }, () => {
  let directory: string;
  let driver: KillableDriver;
  let container: Confinement;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mk-'));
    const mounter = join(directory, 'mounter');
    await mkdir(mounter);
    await mkdir(join(directory, 'staging'));
    container = await Confinement.create('mounter');
    const child = spawn('flock', ['--no-fork', mounter, 'sleep', 'infinity'], { stdio: 'ignore', detached: true });
    await waitFor('the mounter', async () => ((await flockHolders(mounter)).length > 0 ? true : undefined));
    if (child.pid !== undefined) await container.take(child.pid);
    driver = await KillableDriver.start({
      directory,
      pools: [{ name: POOL, type: 'managed', replica: 1, bricks: [join(directory, 'brick')], quota: 'none' }],
      mounter,
    });
    await retried(() => driver.client.controller.CreateVolume(createRequest('v')));
  });

  afterAll(async () => {
    await driver?.stop();
    await container?.remove();
    await removeLeftovers(directory);
  });

  it('there is one client, in the mounter, as long as it is needed', async () => {
    const request = { volume_id: `${POOL}/v`, staging_target_path: join(directory, 'staging') };
    const stage = () => driver.client.node.NodeStageVolume({ ...request, volume_capability: SHARED });
    const clientFile = join(driverPaths(directory).kubeletDir, 'plugins/csi.kayal.storage/pools', POOL, 'client.pid');
    const inMounter = async (): Promise<number> => {
      const pids = await container.pids();
      const names = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')));
      return names.filter((name) => name.startsWith('glusterfs')).length;
    };
    const leave = async (): Promise<void> => {
      await retried(() => driver.client.node.NodeUnstageVolume(request));
      await waitFor('the client to end', async () => {
        if (!driver.driver.isRunning) throw new Error('it was killed');
        return (await readFile(clientFile).catch(() => undefined)) === undefined ? true : undefined;
      });
    };
    const staged = await driver.killEverywhere({
      what: 'a client in the mounter, started',
      // The node may still learn that the client of the last round is gone.
      call: () => driver.untilKilled(stage),
      check: async () => {
        await retried(stage);
        await waitFor('the one client', async () => ((await inMounter()) === 1 ? true : undefined));
        await retried(() => driver.client.node.NodeUnstageVolume(request));
        // It would end by itself after a while.
        const { pid } = JSON.parse(await readFile(clientFile, 'utf8')) as { readonly pid: number };
        process.kill(pid, 'SIGKILL');
        await waitFor('its end', async () => ((await inMounter()) === 0 ? true : undefined));
        // A dead mount is healed by the next start.
        await mustRun('umount', ['-l', join(dirname(clientFile), 'mnt')]);
      },
      most: 3,
    });
    await retried(stage);
    const left = await driver.killEverywhere({
      what: 'a client in the mounter, ended',
      call: leave,
      check: async () => {
        await leave();
        expect(await inMounter()).toBe(0);
        await retried(stage);
      },
      most: 2,
    });
    await leave();
    console.log('kill -9 with a mounter', { staged, left });
    expect(staged.visited).toBeGreaterThan(3);
    expect(left.visited).toBeGreaterThan(1);
  });
});
