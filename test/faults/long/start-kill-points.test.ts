import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { driverPaths, writeConfig } from '../../lib/driver.js';
import { KillableDriver } from '../../lib/killable-driver.js';
import { findLeftovers, removeLeftovers } from '../../lib/leftovers.js';
import { loopDirectory, type LoopDirectory } from '../../lib/loop-directory.js';
import { availableBytes } from '../../lib/open-driver.js';
import { createRequest, retried } from '../../lib/requests.js';
import { mustRun } from '../../lib/run-command.js';
import { waitFor } from '../../lib/wait.js';
import { FILE_TIMEOUT_MS } from '../../runner/long.js';

const POOL = 'p';
const HANDLE = `${POOL}/v`;

/** The driver as a whole: kill -9 while it makes a pool, while it starts on one that is there, and while it stops. */
describe('kill -9 of a driver that starts or stops', { timeout: FILE_TIMEOUT_MS }, () => {
  let directory: string;
  let disk: LoopDirectory;
  let driver: KillableDriver;

  const bricks = (): string[] => [1, 2, 3].map((number) => join(disk.path, `b${number}`));

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sk-'));
    disk = await loopDirectory(directory, 'disk', 512);
    const { kubeletDir } = driverPaths(directory);
    await mkdir(join(kubeletDir, 'plugins'), { recursive: true });
    driver = await KillableDriver.start({
      directory,
      // Where the driver makes the directory itself.
      socket: join(kubeletDir, 'plugins/csi.kayal.storage/csi.sock'),
      // As the strictest of machines has it.
      prefix: ['sh', '-c', 'umask 077; exec "$@"', 'sh'],
      pools: [{ name: POOL, type: 'managed', replica: 3, bricks: bricks(), quota: 'gluster' }],
    });
  });

  afterEach(async () => {
    await driver?.stop();
    await removeLeftovers(directory);
  });

  const create = () => driver.client.controller.CreateVolume(createRequest('v', { sizeMiB: 16 }));
  const remove = () => driver.client.controller.DeleteVolume({ volume_id: HANDLE });
  /** Killed on its way it fails; then it is started again by killEverywhere. */
  const start = (): Promise<void> => driver.startAgain();
  const idOnBricks = (): Promise<string[]> =>
    Promise.all(bricks().map((brick) => readFile(join(brick, '.kayal/pool.json'), 'utf8')));

  it('a pool that is being made is one pool, whole, on all of its bricks', async () => {
    const { stateDir } = driverPaths(directory);
    /** As if there had never been one. */
    const removePool = async (): Promise<void> => {
      await driver.driver.kill();
      const { processes, mounts } = await findLeftovers(directory);
      for (const target of mounts) if (target.startsWith(stateDir)) await mustRun('umount', ['-l', target]);
      for (const { pid } of processes) process.kill(pid, 'SIGKILL');
      await waitFor('the end of the bricks', async () =>
        (await findLeftovers(directory)).processes.length === 0 ? true : undefined,
      );
      for (const brick of bricks()) await rm(brick, { recursive: true, force: true });
      await rm(stateDir, { recursive: true, force: true });
    };
    const makeAnew = async (): Promise<void> => {
      await removePool();
      await start();
    };
    const visited = await driver.killEverywhere({
      what: 'preparation of a managed pool',
      call: makeAnew,
      check: async () => {
        await retried(create);
        // A brick that was started last has been healed by then.
        await waitFor('all bricks to be of one pool', async () => {
          const ids = new Set(await idOnBricks().catch(() => []));
          return ids.size === 1 ? true : undefined;
        });
        await retried(remove);
      },
      most: 4,
    });
    console.log('kill -9 while a pool is made', visited);
    expect(visited.all).toBeGreaterThan(40);
  });

  it('a start takes over what is there, and finishes what was cut off', async () => {
    await retried(create);
    const trash = join(driverPaths(directory).stateDir, 'control', POOL, 'mnt/.kayal/trash');
    const visited = await driver.killEverywhere({
      what: 'start: lease, recovery, purge',
      call: async () => {
        // It is answered before the purge, which the next one goes on with.
        await driver.untilKilled(remove);
        await driver.driver.kill();
        // As somebody may have left it there by hand.
        await mkdir(join(trash, 'odd-20260101000000000'), { recursive: true });
        await writeFile(join(trash, 'odd-20260101000000000/data'), 'a file');
        await start();
        await waitFor('the trash to be purged', async () => {
          if (!driver.driver.isRunning) throw new Error('it was killed');
          return (await readdir(trash)).length === 0 ? true : undefined;
        });
      },
      check: async () => {
        await retried(remove);
        await retried(create);
      },
      most: 6,
    });
    const stopped = await driver.killEverywhere({
      what: 'stop and start',
      call: async () => {
        await driver.driver.stop();
        const { stateDir } = driverPaths(directory);
        // A log that has become too long, and what a process that was killed had begun to write.
        const log = join(stateDir, 'control', POOL, 'client.log');
        await mustRun('truncate', ['-s', '9M', log]);
        await writeFile(join(dirname(log), 'client.pid.4194304-1.tmp'), 'half');
        await start();
      },
      check: async () => {
        await retried(create);
      },
      most: 5,
    });
    await retried(remove);
    console.log('kill -9 of a driver that starts', visited, 'and stops', stopped);
    expect(visited.visited).toBeGreaterThan(5);
    expect(stopped.visited).toBeGreaterThan(3);
  });

  it('a pool that is taken out of the configuration, and put in again', async () => {
    const { config } = driverPaths(directory);
    const all = await readFile(config, 'utf8');
    const isDown = async (): Promise<true | undefined> => {
      if (!driver.driver.isRunning) throw new Error('it was killed');
      const { processes } = await findLeftovers(directory);
      return processes.every(({ command }) => !command.includes('gluster')) ? true : undefined;
    };
    const visited = await driver.killEverywhere({
      what: 'end of a managed pool',
      call: async () => {
        await writeConfig(directory, []);
        await waitFor('the bricks to end', isDown);
        // Its files go last.
        await waitFor('its volfiles to go', () => {
          if (!driver.driver.isRunning) throw new Error('it was killed');
          const { stateDir } = driverPaths(directory);
          return existsSync(join(stateDir, 'managed', POOL, 'self-heal.vol')) ? undefined : true;
        });
      },
      check: async () => {
        await writeFile(config, all);
        await waitFor('the pool to be known again', () => availableBytes(driver, POOL).catch(() => undefined));
      },
      most: 4,
    });
    console.log('kill -9 while a pool ends', visited);
    expect(visited.visited).toBeGreaterThan(2);
  });
});
