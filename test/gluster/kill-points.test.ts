import { mkdtemp, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Driver } from '../lib/driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { MiB, claimParameters, createRequest, retried } from '../lib/requests.js';
import { waitFor } from '../lib/wait.js';

/** kill -9 before and after every state-changing system call of create, expand and delete; then a retry. */
describe('kill -9 between any two steps', () => {
  let directory: string;
  let pool: LoopDirectory;
  let driver: Driver;
  let faults: string;

  const start = async (): Promise<void> => {
    driver = await Driver.start({
      directory,
      role: 'controller',
      pools: [{ name: 'dir', type: 'directory', path: pool.path, shared: true, quota: 'none' }],
      env: { KAYAL_FAULT_POINTS: faults },
      logLevel: 'info',
    });
    await retried(() => driver.client.controller.GetCapacity({}));
  };
  const capacity = async (): Promise<number> =>
    Number((await retried(() => driver.client.controller.GetCapacity({}))).available_capacity);
  const isEmpty = async (path: string): Promise<boolean> => (await readdir(join(pool.path, path))).length === 0;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kill-'));
    faults = join(directory, 'faults');
    pool = await loopDirectory(directory, 'pool', 64);
    await start();
  });

  afterAll(async () => {
    await driver?.kill();
    await pool?.remove();
  });

  /** Nothing is left of any volume, and all of the pool can be promised again. */
  const expectNothingLeft = async (available: number): Promise<void> => {
    await waitFor('the trash to be purged', async () => ((await isEmpty('.kayal/trash')) ? true : undefined));
    for (const bucket of await readdir(join(pool.path, '.kayal/volumes'))) {
      expect(await readdir(join(pool.path, '.kayal/volumes', bucket))).toEqual([]);
    }
    expect(await isEmpty('.kayal/paths')).toBe(true);
    await expect(stat(join(pool.path, 'team'))).rejects.toThrow('ENOENT');
    const leases = await readdir(join(pool.path, '.kayal/leases'));
    const fences = leases.filter((name) => name !== 'controller.json');
    expect(fences).toHaveLength(1);
    expect(
      (await readdir(join(pool.path, '.kayal/leases', fences[0] ?? ''))).filter((name) => name !== 'tmp-lease'),
    ).toEqual([]);
    expect(Math.abs((await capacity()) - available)).toBeLessThan(MiB);
  };

  /** Runs `call` with a kill at the n-th point. @returns false when it ended before that point */
  const killedAt = async (n: number, call: () => Promise<unknown>): Promise<boolean> => {
    await writeFile(faults, String(n));
    const answered = await call().then(
      () => true,
      () => false,
    );
    const left = Number(await readFile(faults, 'utf8'));
    await writeFile(faults, '');
    if (left > 0 && answered) return false;
    if (left > 0) throw new Error(`the call failed without a kill (point ${n}, left ${left})`);
    await driver.kill();
    await start();
    return true;
  };

  it('leaves nothing that the next call does not finish, and promises no byte twice', async () => {
    const available = await capacity();
    const parameters = {
      pathPattern: '${pvc.metadata.namespace}/${pvc.metadata.name}',
      ...claimParameters('team', 'data', 'pv'),
    };
    const create = () => driver.client.controller.CreateVolume(createRequest('v', { sizeMiB: 8, parameters }));
    const expand = () =>
      driver.client.controller.ControllerExpandVolume({
        volume_id: 'dir/v',
        capacity_range: { required_bytes: 12 * MiB },
      });
    const remove = () => driver.client.controller.DeleteVolume({ volume_id: 'dir/v' });
    const visited = { create: 0, expand: 0, delete: 0 };

    for (let n = 1; await killedAt(n, create); n++) {
      visited.create++;
      await retried(create);
      expect(Math.abs(available - (await capacity()) - 8 * MiB)).toBeLessThan(MiB);
      await retried(remove);
      await expectNothingLeft(available);
    }
    for (let n = 1; await killedAt(n, expand); n++) {
      visited.expand++;
      expect((await retried(expand)).capacity_bytes).toBe(String(12 * MiB));
      expect(Math.abs(available - (await capacity()) - 12 * MiB)).toBeLessThan(MiB);
      await retried(remove);
      await retried(create);
    }
    for (let n = 1; await killedAt(n, remove); n++) {
      visited.delete++;
      await retried(remove);
      await expectNothingLeft(available);
      await retried(create);
    }
    await expectNothingLeft(available);
    console.log(
      `kill -9 at ${visited.create} points of create, ${visited.expand} of expand, ${visited.delete} of delete`,
    );
    expect(visited.create).toBeGreaterThan(20);
    expect(visited.expand).toBeGreaterThan(8);
    expect(visited.delete).toBeGreaterThan(20);
  }, 600_000);
});
