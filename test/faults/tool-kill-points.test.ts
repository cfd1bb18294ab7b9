import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordPath } from '../../src/volumes/records/layout.js';
import { FaultFile } from '../lib/fault-file.js';
import { kayal } from '../lib/kayal.js';
import { killEverywhere, type KilledCall, type Victim, type Visited } from '../lib/kill-everywhere.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { removeLeftovers } from '../lib/leftovers.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { directoryPool } from '../lib/pool-configs.js';
import { createRequest, retried } from '../lib/requests.js';
import { mounted } from '../lib/volume-user.js';
import { FILE_TIMEOUT_MS } from '../runner/long.js';

/** The commands for people, killed while they work: those that the controller does for them, and those that they do themselves. */
describe('kill -9 of a command', { timeout: FILE_TIMEOUT_MS }, () => {
  let directory: string;
  let pool: LoopDirectory;
  let driver: KillableDriver;
  let faults: FaultFile;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tk-'));
    pool = await loopDirectory(directory, 'pool', 64);
    faults = new FaultFile(join(directory, 'tool-faults'));
    driver = await KillableDriver.start({
      directory,
      role: 'controller',
      pools: [directoryPool('dir', pool.path)],
      env: { KAYAL_ATTACH: 'yes' },
    });
  });

  afterAll(async () => {
    await driver?.stop();
    await removeLeftovers(directory);
  });

  const command = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await kayal(directory, args, '', faults.env);
    if (code !== 0) throw new Error(`kayal ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  };
  const kill = (killed: KilledCall): Promise<Visited> => {
    // A command is given again, or is not.
    const victim: Victim = {
      faults,
      revive: () => Promise.resolve(),
      expectInvariants: (look) => driver.expectInvariants(look),
    };
    return killEverywhere(victim, killed);
  };
  /** While no controller runs. */
  const alone = async (work: () => Promise<unknown>): Promise<void> => {
    await driver.driver.kill();
    try {
      await work();
    } finally {
      if (!driver.driver.isRunning) await driver.startAgain();
    }
  };
  const keep = async (id: string): Promise<void> => {
    await retried(() =>
      driver.client.controller.CreateVolume(createRequest(id, { parameters: { onDelete: 'retain' } })),
    );
    await retried(() => driver.client.controller.DeleteVolume({ volume_id: `dir/${id}` }));
  };
  const isGone = async (id: string): Promise<void> => {
    await expect(readFile(join(pool.path, recordPath(id)))).rejects.toThrow('ENOENT');
  };

  it.each([false, true])('volume purge, without a controller: %s', async (isAlone) => {
    await keep('kept');
    const purge = () => command('volume', 'purge', 'dir/kept', '--yes');
    const visited = await kill({
      what: `kayal volume purge${isAlone ? ', without a controller' : ''}`,
      call: () => (isAlone ? alone(purge) : purge()),
      check: async () => {
        await purge().catch((error: unknown) => {
          // It was done before the kill.
          expect(String(error)).toMatch(/does not exist/);
        });
        await isGone('kept');
        await keep('kept');
      },
      most: 2,
    });
    await purge();
    console.log('kill -9 of kayal volume purge', { isAlone }, visited);
    expect(visited.visited).toBeGreaterThan(1);
  });

  it('volume release', async () => {
    const { controller } = driver.client;
    await retried(() => controller.CreateVolume(createRequest('held')));
    const attach = () =>
      retried(() =>
        driver.client.controller.ControllerPublishVolume({
          volume_id: 'dir/held',
          node_id: 'lost',
          volume_capability: mounted(),
        }),
      );
    await attach();
    const release = () => command('volume', 'release', 'dir/held', '--node', 'lost', '--yes');
    const visited = await kill({
      what: 'kayal volume release',
      call: release,
      check: async () => {
        await release().catch((error: unknown) => {
          // It was done before the kill.
          expect(String(error)).toMatch(/not in use by node lost/);
        });
        const { status } = await driver.client.controller.ControllerGetVolume({ volume_id: 'dir/held' });
        expect(status?.published_node_ids).toEqual([]);
        await attach();
      },
      most: 2,
    });
    await release();
    await retried(() => driver.client.controller.DeleteVolume({ volume_id: 'dir/held' }));
    console.log('kill -9 of kayal volume release', visited);
    expect(visited.visited).toBeGreaterThan(1);
  });

  it.each([false, true])('doctor --repair, without a controller: %s', async (isAlone) => {
    const damage = async (): Promise<void> => {
      await rm(join(pool.path, '.kayal/paths/team/data'), { recursive: true, force: true });
    };
    const wish = createRequest('v', { parameters: { pathPattern: 'team/data' } });
    await retried(() => driver.client.controller.CreateVolume(wish));
    const repair = () => command('doctor', '--pool', 'dir', '--repair');
    const visited = await kill({
      what: `kayal doctor --repair${isAlone ? ', without a controller' : ''}`,
      call: async () => {
        await damage();
        await (isAlone ? alone(repair) : repair());
      },
      check: async () => {
        await repair();
        expect(await readdir(join(pool.path, '.kayal/paths/team/data'))).toEqual(['.volume']);
      },
      most: 2,
    });
    await retried(() => driver.client.controller.DeleteVolume({ volume_id: 'dir/v' }));
    console.log('kill -9 of kayal doctor --repair', { isAlone }, visited);
    expect(visited.visited).toBeGreaterThan(1);
  });

  it('pool takeover and pool forget: the pool has one owner, and is known or not', async () => {
    const config = join(directory, 'config.yaml');
    const mine = await readFile(config, 'utf8');
    const theirs = mine.replace('installation: test', 'installation: other');
    expect(theirs).not.toBe(mine);
    const owner = async (): Promise<string> =>
      (JSON.parse(await readFile(join(pool.path, '.kayal/pool.json'), 'utf8')) as { owner: string }).owner;
    const takeOver = async (text: string): Promise<void> => {
      await writeFile(config, text);
      await command('pool', 'takeover', 'dir');
    };
    const visited = await kill({
      what: 'kayal pool takeover, kayal pool forget',
      call: () =>
        alone(async () => {
          try {
            await takeOver(theirs);
            await command('pool', 'forget', 'dir');
          } finally {
            await writeFile(config, mine);
            expect(['test', 'other']).toContain(await owner());
            await faults.disarm();
            await takeOver(mine);
          }
        }),
      check: async () => {
        expect(await owner()).toBe('test');
        await retried(() => driver.client.controller.CreateVolume(createRequest('after')));
        await retried(() => driver.client.controller.DeleteVolume({ volume_id: 'dir/after' }));
      },
      most: 2,
    });
    console.log('kill -9 of kayal pool takeover and forget', visited);
    expect(visited.visited).toBeGreaterThan(1);
  });
});
