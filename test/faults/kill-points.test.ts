import { mkdir, mkdtemp, readdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectFenceEmpty } from '../lib/fence.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { availableBytes } from '../lib/open-driver.js';
import { directoryPool, singleBrickPool } from '../lib/pool-configs.js';
import { MiB, claimParameters, createRequest, retried } from '../lib/requests.js';
import { waitFor } from '../lib/wait.js';
import { FILE_TIMEOUT_MS } from '../runner/long.js';

const POOL = 'lagoon';
const HANDLE = `${POOL}/v`;

interface Kind {
  readonly type: 'directory' | 'managed';
  readonly poolMiB: number;
  readonly volumeMiB: number;
  /** What the filesystem keeps of what was deleted: GlusterFS never removes the directories of .glusterfs. */
  readonly slackMiB: number;
  /** Points of each call that are visited at the most. */
  readonly most: number;
}

const KINDS: readonly Kind[] = [
  { type: 'directory', poolMiB: 64, volumeMiB: 8, slackMiB: 1, most: 4 },
  { type: 'managed', poolMiB: 512, volumeMiB: 64, slackMiB: 24, most: 2 },
];

/** kill -9 before and after state-changing calls of create, expand, modify and delete; then a retry. */
describe.each(KINDS)('kill -9 between two steps on a $type pool', ({ type, poolMiB, volumeMiB, slackMiB, most }) => {
  let directory: string;
  let disk: LoopDirectory;
  /** Where the pool's files are, past GlusterFS. */
  let root: string;
  let driver: KillableDriver;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kill-'));
    disk = await loopDirectory(directory, 'disk', poolMiB);
    root = type === 'directory' ? disk.path : join(disk.path, 'brick');
    const pool =
      type === 'directory' ? directoryPool(POOL, root) : await singleBrickPool(disk.path, POOL, { quota: 'gluster' });
    driver = await KillableDriver.start({
      directory,
      role: type === 'directory' ? 'controller' : 'all',
      pools: [pool],
    });
  });

  afterAll(async () => {
    await driver?.stop();
    await disk?.remove();
  });

  /** Where GlusterFS' own files are kept up to date. */
  const pathOfPool = (): string => (type === 'directory' ? root : join(directory, 'state/control', POOL, 'mnt'));
  const isEmpty = async (path: string): Promise<boolean> => (await readdir(join(root, path))).length === 0;
  const available = (): Promise<number> => availableBytes(driver, POOL);
  /** Waits, as a promise is given back a moment after its files are gone; one that is lost never is. */
  const expectPromised = async (before: number, mebibytes: number): Promise<void> => {
    await waitFor(`${mebibytes} MiB to be promised, no more and no less`, async () =>
      Math.abs(before - (await available()) - mebibytes * MiB) < slackMiB * MiB ? true : undefined,
    );
  };

  /** Nothing is left of any volume, and all of the pool can be promised again. */
  const expectNothingLeft = async (before: number): Promise<void> => {
    await waitFor('the trash to be purged', async () => ((await isEmpty('.kayal/trash')) ? true : undefined));
    for (const bucket of await readdir(join(root, '.kayal/volumes'))) {
      expect(await readdir(join(root, '.kayal/volumes', bucket))).toEqual([]);
    }
    expect(await isEmpty('.kayal/paths')).toBe(true);
    await expect(stat(join(root, 'team'))).rejects.toThrow('ENOENT');
    await expectFenceEmpty(root);
    await expectPromised(before, 0);
  };

  it(
    'leaves nothing that the next call does not finish, and promises no byte twice',
    async () => {
      const before = await available();
      const parameters = {
        pathPattern: '${pvc.metadata.namespace}/${pvc.metadata.name}',
        ...claimParameters('team', 'data', 'pv'),
      };
      const create = () =>
        driver.client.controller.CreateVolume(createRequest('v', { sizeMiB: volumeMiB, parameters }));
      const larger = volumeMiB * 1.5;
      const expand = () =>
        driver.client.controller.ControllerExpandVolume({
          volume_id: HANDLE,
          capacity_range: { required_bytes: larger * MiB },
        });
      const remove = () => driver.client.controller.DeleteVolume({ volume_id: HANDLE });

      const created = await driver.killEverywhere({
        what: 'CreateVolume',
        call: create,
        check: async () => {
          await retried(create);
          await expectPromised(before, volumeMiB);
          await retried(remove);
          await expectNothingLeft(before);
        },
        most,
      });
      await retried(create);
      const expanded = await driver.killEverywhere({
        what: 'ControllerExpandVolume',
        call: expand,
        check: async () => {
          expect((await retried(expand)).capacity_bytes).toBe(String(larger * MiB));
          await expectPromised(before, larger);
          await retried(remove);
          await retried(create);
        },
        most,
      });
      const values = ['50', '60'];
      const modify = () =>
        driver.client.controller.ControllerModifyVolume({
          volume_id: HANDLE,
          mutable_parameters: { softLimitPercent: values[0] ?? '' },
        });
      const modified = await driver.killEverywhere({
        what: 'ControllerModifyVolume',
        call: modify,
        check: async () => {
          await retried(modify);
          values.reverse();
        },
        most,
      });
      /** Deeper than a purge goes with one descriptor a level (src/linux/operations/remove.ts). */
      const fillDeep = async (): Promise<void> => {
        const { volume } = await retried(create);
        const path = volume?.volume_context['path'] ?? '';
        await mkdir(join(pathOfPool(), path, ...Array.from({ length: 36 }, () => 'd')), { recursive: true });
      };
      await fillDeep();
      const writeFiles = async (): Promise<void> => {
        const { volume } = await retried(create);
        const path = join(pathOfPool(), volume?.volume_context['path'] ?? '');
        await writeFile(join(path, 'file'), 'content');
      };
      await writeFiles();
      const snapshot = () => driver.client.controller.CreateSnapshot({ name: 's', source_volume_id: HANDLE });
      await driver.killEverywhere({
        what: 'CreateSnapshot',
        call: () => driver.untilKilled(snapshot),
        check: async () => {
          await retried(snapshot);
          await retried(() => driver.client.controller.DeleteSnapshot({ snapshot_id: `${POOL}/s` }));
        },
        most: 2,
      });
      const removed = await driver.killEverywhere({
        what: 'DeleteVolume',
        // The purge, too, which goes on after the answer.
        call: async () => {
          await remove();
          await waitFor('the purge', async () => {
            if (!driver.driver.isRunning) throw new Error('it was killed');
            return (await isEmpty('.kayal/trash')) ? true : undefined;
          });
        },
        check: async () => {
          await retried(remove);
          await expectNothingLeft(before);
          await fillDeep();
        },
        most,
      });
      await retried(remove);
      await expectNothingLeft(before);

      const figures = { create: created, expand: expanded, modify: modified, delete: removed };
      const texts = Object.entries(figures).map(([name, { visited, all }]) => `${visited} of ${all} points of ${name}`);
      console.log(`${type}: kill -9 at ${texts.join(', ')}`);
      for (const [name, { visited, all }] of Object.entries(figures)) {
        const isShort = name === 'expand' || name === 'modify';
        expect(all).toBeGreaterThan(isShort ? 4 : 20);
        expect(visited).toBeGreaterThan(1);
      }
    },
    FILE_TIMEOUT_MS,
  );
});
