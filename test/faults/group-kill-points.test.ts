import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KillableDriver } from '../lib/killable-driver.js';
import { loopDirectory, type LoopDirectory } from '../lib/loop-directory.js';
import { directoryPool } from '../lib/pool-configs.js';
import { createRequest, retried } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';
import { mounted } from '../lib/volume-user.js';
import { FILE_TIMEOUT_MS } from '../runner/long.js';

const SOURCES = ['dir/a', 'dir/b'];

/** On a filesystem that shares blocks (XFS), so that both ways of copying are visited: copy-kill-points.test.ts has the other. */
describe('kill -9 in the middle of what is about several volumes or nodes', { timeout: FILE_TIMEOUT_MS }, () => {
  let directory: string;
  let pool: LoopDirectory;
  let driver: KillableDriver;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gk-'));
    pool = await loopDirectory(directory, 'pool', 320, 'xfs');
    driver = await KillableDriver.start({
      directory,
      role: 'controller',
      pools: [directoryPool('dir', pool.path)],
      env: { KAYAL_ATTACH: 'yes' },
    });
    for (const name of ['a', 'b']) {
      const { volume } = await retried(() => driver.client.controller.CreateVolume(createRequest(name)));
      const path = join(pool.path, volume?.volume_context['path'] ?? '');
      await mustRun('bash', ['-c', 'head -c 300000 /dev/urandom > f; sync -f .'], { cwd: path });
    }
  });

  afterAll(async () => {
    await driver?.stop();
    await pool?.remove();
  });

  const data = (): string => join(pool.path, '.kayal/data/snapshots');
  const same = async (copy: string, source: string): Promise<void> => {
    await mustRun('diff', ['-r', copy, source], { cwd: pool.path });
  };
  const pathOf = async (volume_id: string): Promise<string> => {
    const { volume } = await driver.client.controller.ControllerGetVolume({ volume_id });
    return volume?.volume_context['path'] ?? '';
  };

  it('a group of snapshots is whole, or a retry makes it so, or nothing is left of it', async () => {
    const take = () =>
      driver.client.groupController.CreateVolumeGroupSnapshot({ name: 'group', source_volume_ids: SOURCES });
    let members: string[] = [];
    const look = async (): Promise<void> => {
      const { group_snapshot: group } = await retried(take);
      members = (group?.snapshots ?? []).map(({ snapshot_id }) => snapshot_id);
      expect(group?.ready_to_use).toBe(true);
      expect(members).toHaveLength(2);
      for (const [index, member] of members.entries()) {
        await same(join(data(), member.slice('dir/'.length)), await pathOf(SOURCES[index] ?? ''));
      }
    };
    const remove = () =>
      driver.client.groupController.DeleteVolumeGroupSnapshot({
        group_snapshot_id: 'dir/group',
        snapshot_ids: members,
      });
    const taken = await driver.killEverywhere({
      what: 'CreateVolumeGroupSnapshot',
      call: () => driver.untilKilled(take),
      check: async () => {
        await look();
        await retried(remove);
      },
      most: 3,
    });
    await look();
    const removed = await driver.killEverywhere({
      what: 'DeleteVolumeGroupSnapshot',
      call: () => driver.untilKilled(remove),
      check: async () => {
        await retried(remove);
        expect(await readdir(data())).toEqual([]);
        await look();
      },
      most: 2,
    });
    await retried(remove);
    console.log('kill -9 of a group of snapshots', { taken, removed });
    expect(taken.all).toBeGreaterThan(40);
    expect(removed.all).toBeGreaterThan(10);
  });

  it('a clone is whole, or a retry makes it so', async () => {
    const clone = () =>
      driver.client.controller.CreateVolume({
        ...createRequest('clone'),
        volume_content_source: { volume: { volume_id: 'dir/a' } },
      });
    const cloned = await driver.killEverywhere({
      what: 'CreateVolume of a volume',
      call: () => driver.untilKilled(clone),
      check: async () => {
        await retried(clone);
        await same(await pathOf('dir/clone'), await pathOf('dir/a'));
        await retried(() => driver.client.controller.DeleteVolume({ volume_id: 'dir/clone' }));
      },
      most: 3,
    });
    console.log('kill -9 of a clone', cloned);
    expect(cloned.all).toBeGreaterThan(20);
  });

  it('a volume is attached to a node or is not, and never to two', async () => {
    const volume_id = 'dir/a';
    const attach = (node_id: string) =>
      driver.client.controller.ControllerPublishVolume({ volume_id, node_id, volume_capability: mounted() });
    const detach = () => driver.client.controller.ControllerUnpublishVolume({ volume_id, node_id: 'n1' });
    const nodes = async (): Promise<string[] | undefined> =>
      (await driver.client.controller.ControllerGetVolume({ volume_id })).status?.published_node_ids;
    const attached = await driver.killEverywhere({
      what: 'ControllerPublishVolume',
      call: () => attach('n1'),
      check: async () => {
        await retried(() => attach('n1'));
        expect(await nodes()).toEqual(['n1']);
        await expect(attach('n2')).rejects.toThrow(/attached to n1/);
        await retried(detach);
      },
    });
    await retried(() => attach('n1'));
    const detached = await driver.killEverywhere({
      what: 'ControllerUnpublishVolume',
      call: detach,
      check: async () => {
        await retried(detach);
        expect(await nodes()).toEqual([]);
        await retried(() => attach('n1'));
      },
    });
    await retried(detach);
    console.log('kill -9 of attaching', { attached, detached });
    expect(attached.visited).toBeGreaterThan(1);
    expect(detached.visited).toBeGreaterThan(1);
  });
});
