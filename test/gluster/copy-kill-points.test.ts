import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Driver } from '../lib/driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { MiB, createRequest, retried } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';
import { sleep, waitFor } from '../lib/wait.js';

/** kill -9 at every state-changing system call of a snapshot's life and of a restore, the copying jobs included; then a retry. */
describe('kill -9 in the middle of a copy', () => {
  let directory: string;
  let pool: LoopDirectory;
  let driver: Driver;
  let faults: string;
  let source: string;

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

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ck-'));
    faults = join(directory, 'faults');
    pool = await loopDirectory(directory, 'pool', 64);
    await start();
    const { volume } = await retried(() =>
      driver.client.controller.CreateVolume(createRequest('source', { sizeMiB: 4 })),
    );
    source = join(pool.path, volume?.volume_context['path'] ?? '');
    const script =
      'mkdir -m 0711 d; head -c 5000 /dev/urandom > d/f; chown 7:8 d/f; ln d/f hard; ln -s d/f link; mkfifo -m 600 p; setfattr -n user.a -v b d; sync -f .';
    await mustRun('bash', ['-c', script], { cwd: source });
  });

  afterAll(async () => {
    await driver?.kill();
    await pool?.remove();
  });

  const described = async (path: string): Promise<string> =>
    (
      await mustRun(
        'bash',
        ['-c', "find . -printf '%p %y %m %U %G %n %T@ %l\\n' | sort; sha256sum d/f; getfattr -d d"],
        {
          cwd: path,
        },
      )
    ).replaceAll(/^(\S+ d \S+ \S+ \S+) \d+/gm, '$1');

  /** What is left to count; the driver's threads truncate the file and write it again, also while it purges. */
  const remaining = async (): Promise<number> =>
    waitFor('a number in the file of fault points', async () => {
      const text = await readFile(faults, 'utf8');
      if (text !== '') return Number(text);
      // One thread killed the process while another one was writing.
      return driver.isRunning ? undefined : 0;
    });

  /** A thread that is just counting may write its number once more. */
  const disarm = async (): Promise<void> => {
    do {
      await writeFile(faults, '');
      await sleep(20);
    } while ((await readFile(faults, 'utf8')) !== '');
  };

  /** Runs `call` with a kill at the n-th point. @returns false when it ended before that point */
  const killedAt = async (n: number, call: () => Promise<unknown>): Promise<boolean> => {
    await writeFile(faults, String(n));
    const answered = await call().then(
      () => true,
      () => false,
    );
    const left = await remaining();
    await disarm();
    // What goes on in the background (the purge) may have come to the point after the call was answered.
    if (left > 0 && driver.isRunning) {
      if (answered) return false;
      throw new Error(`the call failed without a kill (point ${n}, left ${left})`);
    }
    await driver.kill();
    await start();
    return true;
  };

  /** No half copy is anywhere, and what there is to promise is what it was. */
  const expectNothingLeft = async (available: number): Promise<void> => {
    await waitFor('the remains to be purged', async () =>
      (await readdir(join(pool.path, '.kayal/trash'))).length === 0 ? true : undefined,
    );
    const fences = (await readdir(join(pool.path, '.kayal/leases'))).filter((name) => name !== 'controller.json');
    expect(fences).toHaveLength(1);
    const inside = await readdir(join(pool.path, '.kayal/leases', fences[0] ?? ''));
    expect(inside.filter((name) => name !== 'tmp-lease')).toEqual([]);
    await waitFor('the capacity to be free again', async () =>
      Math.abs((await capacity()) - available) < MiB ? true : undefined,
    );
  };

  it('leaves no half copy that looks whole, and nothing that a retry does not finish', async () => {
    const available = await capacity();
    const original = await described(source);
    const take = () => driver.client.controller.CreateSnapshot({ name: 'snap', source_volume_id: 'dir/source' });
    const restore = () =>
      driver.client.controller.CreateVolume({
        ...createRequest('restored', { sizeMiB: 4 }),
        volume_content_source: { snapshot: { snapshot_id: 'dir/snap' } },
      });
    const removeSnapshot = () => driver.client.controller.DeleteSnapshot({ snapshot_id: 'dir/snap' });
    const remove = () => driver.client.controller.DeleteVolume({ volume_id: 'dir/restored' });
    const data = join(pool.path, '.kayal/data/snapshots');
    const visited = { take: 0, restore: 0, delete: 0 };
    // Each call has a point before and one after it; after one is before the next.
    const STEP = 2;

    for (let n = 1; await killedAt(n, take); n += STEP) {
      visited.take++;
      for (const { snapshot } of (await driver.client.controller.ListSnapshots({})).entries) {
        expect(snapshot?.ready_to_use).toBe(true);
        expect(await described(join(data, 'snap'))).toBe(original);
      }
      const first = await retried(take);
      expect(await retried(take)).toEqual(first);
      expect(await described(join(data, 'snap'))).toBe(original);
      await retried(removeSnapshot);
      await expectNothingLeft(available);
    }
    const withSnapshot = await capacity();
    for (let n = 1; await killedAt(n, restore); n += STEP) {
      visited.restore++;
      const { volume } = await retried(restore);
      expect(await described(join(pool.path, volume?.volume_context['path'] ?? ''))).toBe(original);
      await retried(remove);
      await expectNothingLeft(withSnapshot);
    }
    await retried(remove);
    for (let n = 1; await killedAt(n, removeSnapshot); n += STEP) {
      visited.delete++;
      await retried(removeSnapshot);
      await expectNothingLeft(available);
      expect(await readdir(data)).toEqual([]);
      await retried(take);
    }
    await expectNothingLeft(available);
    console.log(
      `kill -9 at ${visited.take} points of a snapshot, ${visited.restore} of a restore, ${visited.delete} of deleting a snapshot`,
    );
    expect(visited.take).toBeGreaterThan(20);
    expect(visited.restore).toBeGreaterThan(20);
    expect(visited.delete).toBeGreaterThan(5);
  }, 900_000);
});
