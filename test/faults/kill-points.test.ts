import { mkdtemp, readdir, stat } from 'node:fs/promises';
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

const POOL = 'lagoon';
const HANDLE = `${POOL}/v`;

interface Kind {
  readonly type: 'directory' | 'managed';
  readonly poolMiB: number;
  readonly volumeMiB: number;
  /** What the filesystem keeps of what was deleted: GlusterFS never removes the directories of .glusterfs. */
  readonly slackMiB: number;
  /** Points of each call that are visited at the most. */
  readonly most: number | undefined;
}

const KINDS: readonly Kind[] = [
  { type: 'directory', poolMiB: 64, volumeMiB: 8, slackMiB: 1, most: undefined },
  { type: 'managed', poolMiB: 512, volumeMiB: 64, slackMiB: 24, most: 7 },
];

/** kill -9 before and after state-changing system calls of create, expand and delete; then a retry. */
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

  it('leaves nothing that the next call does not finish, and promises no byte twice', async () => {
    const before = await available();
    const parameters = {
      pathPattern: '${pvc.metadata.namespace}/${pvc.metadata.name}',
      ...claimParameters('team', 'data', 'pv'),
    };
    const create = () => driver.client.controller.CreateVolume(createRequest('v', { sizeMiB: volumeMiB, parameters }));
    const larger = volumeMiB * 1.5;
    const expand = () =>
      driver.client.controller.ControllerExpandVolume({
        volume_id: HANDLE,
        capacity_range: { required_bytes: larger * MiB },
      });
    const remove = () => driver.client.controller.DeleteVolume({ volume_id: HANDLE });

    const created = await driver.killEverywhere({
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
      call: expand,
      check: async () => {
        expect((await retried(expand)).capacity_bytes).toBe(String(larger * MiB));
        await expectPromised(before, larger);
        await retried(remove);
        await retried(create);
      },
      most,
    });
    const removed = await driver.killEverywhere({
      call: remove,
      check: async () => {
        await retried(remove);
        await expectNothingLeft(before);
        await retried(create);
      },
      most,
    });
    await retried(remove);
    await expectNothingLeft(before);

    const figures = { create: created, expand: expanded, delete: removed };
    const texts = Object.entries(figures).map(([name, { visited, all }]) => `${visited} of ${all} points of ${name}`);
    console.log(`${type}: kill -9 at ${texts.join(', ')}`);
    for (const [name, { visited, all }] of Object.entries(figures)) {
      expect(all).toBeGreaterThan(name === 'expand' ? 8 : 20);
      expect(visited).toBeGreaterThan(most === undefined && name !== 'expand' ? 10 : 3);
    }
  }, 600_000);
});
