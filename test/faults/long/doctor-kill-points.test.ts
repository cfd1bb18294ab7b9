import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FaultFile } from '../../lib/fault-file.js';
import { kayal } from '../../lib/kayal.js';
import { killEverywhere } from '../../lib/kill-everywhere.js';
import { KillableDriver } from '../../lib/killable-driver.js';
import { removeLeftovers } from '../../lib/leftovers.js';
import { singleBrickPool } from '../../lib/pool-configs.js';
import { FILE_TIMEOUT_MS } from '../../runner/long.js';

/** A command that mounts the pool for itself, and is killed. */
describe('kill -9 of kayal doctor on GlusterFS', { timeout: FILE_TIMEOUT_MS }, () => {
  let directory: string;
  let driver: KillableDriver;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'dt-'));
    driver = await KillableDriver.start({
      directory,
      pools: [await singleBrickPool(directory, 'fast', { quota: 'gluster' })],
    });
  });

  afterAll(async () => {
    await driver?.stop();
    await removeLeftovers(directory);
  });

  it('the next one ends its clients, and removes what it had written', async () => {
    const faults = new FaultFile(join(directory, 'tool-faults'));
    const doctor = async (): Promise<void> => {
      const { code, stdout, stderr } = await kayal(directory, ['doctor'], '', faults.env);
      if (code !== 0) throw new Error(`kayal doctor ended with ${code}: ${stdout}${stderr}`);
    };
    const victim = {
      faults,
      revive: () => Promise.resolve(),
      expectInvariants: (look: 'first' | 'again') => driver.expectInvariants(look),
    };
    const visited = await killEverywhere(victim, { what: 'kayal doctor', call: doctor, check: doctor, most: 2 });
    console.log('kill -9 of kayal doctor', visited);
    expect(visited.visited).toBeGreaterThan(1);
  });
});
