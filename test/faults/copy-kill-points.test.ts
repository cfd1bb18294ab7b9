import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectFenceEmpty } from '../lib/fence.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { availableBytes } from '../lib/open-driver.js';
import { directoryPool } from '../lib/pool-configs.js';
import { MiB, createRequest, retried } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';
import { FILE_TIMEOUT_MS } from '../runner/long.js';

/** kill -9 at every state-changing system call of a snapshot's life and of a restore, the copying jobs included; then a retry. */
describe('kill -9 in the middle of a copy', () => {
  let directory: string;
  let pool: LoopDirectory;
  let driver: KillableDriver;
  let source: string;

  const capacity = (): Promise<number> => availableBytes(driver, 'dir');

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ck-'));
    pool = await loopDirectory(directory, 'pool', 128);
    driver = await KillableDriver.start({ directory, role: 'controller', pools: [directoryPool('dir', pool.path)] });
    const { volume } = await retried(() =>
      driver.client.controller.CreateVolume(createRequest('source', { sizeMiB: 4 })),
    );
    source = join(pool.path, volume?.volume_context['path'] ?? '');
    const script =
      'mkdir -m 0711 d; head -c 5000 /dev/urandom > d/f; chown 7:8 d/f; ln d/f hard; ln -s d/f link; mkfifo -m 600 p; setfattr -n user.a -v b d; head -c 4096 /dev/urandom > sparse; truncate -s 300000 sparse; sync -f .';
    await mustRun('bash', ['-c', script], { cwd: source });
  });

  afterAll(async () => {
    await driver?.stop();
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

  /** No half copy is anywhere, and what there is to promise is what it was. */
  const expectNothingLeft = async (available: number): Promise<void> => {
    await waitFor('the remains to be purged', async () =>
      (await readdir(join(pool.path, '.kayal/trash'))).length === 0 ? true : undefined,
    );
    await expectFenceEmpty(pool.path);
    await waitFor('the capacity to be free again', async () =>
      Math.abs((await capacity()) - available) < MiB ? true : undefined,
    );
  };

  it(
    'leaves no half copy that looks whole, and nothing that a retry does not finish',
    async () => {
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

      const taken = await driver.killEverywhere({
        what: 'CreateSnapshot',
        call: take,
        most: 6,
        check: async () => {
          for (const { snapshot } of (await driver.client.controller.ListSnapshots({})).entries) {
            expect(snapshot?.ready_to_use).toBe(true);
            expect(await described(join(data, 'snap'))).toBe(original);
          }
          const first = await retried(take);
          expect(await retried(take)).toEqual(first);
          expect(await described(join(data, 'snap'))).toBe(original);
          await retried(removeSnapshot);
          await expectNothingLeft(available);
        },
      });
      await retried(take);
      const withSnapshot = await capacity();
      const restored = await driver.killEverywhere({
        what: 'CreateVolume of a snapshot',
        call: restore,
        most: 4,
        check: async () => {
          const { volume } = await retried(restore);
          expect(await described(join(pool.path, volume?.volume_context['path'] ?? ''))).toBe(original);
          await retried(remove);
          await expectNothingLeft(withSnapshot);
        },
      });
      const removed = await driver.killEverywhere({
        what: 'DeleteSnapshot',
        call: removeSnapshot,
        most: 2,
        check: async () => {
          await retried(removeSnapshot);
          await expectNothingLeft(available);
          expect(await readdir(data)).toEqual([]);
          await retried(take);
        },
      });
      await retried(removeSnapshot);
      await expectNothingLeft(available);
      console.log(
        `kill -9 at ${taken.visited} points of a snapshot, ${restored.visited} of a restore, ${removed.visited} of deleting a snapshot`,
      );
      expect(taken.visited).toBeGreaterThan(3);
      expect(restored.visited).toBeGreaterThan(2);
      expect(removed.visited).toBeGreaterThan(1);
    },
    FILE_TIMEOUT_MS,
  );
});
