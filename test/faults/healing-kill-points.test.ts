import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readMountinfo } from '../../src/linux/mountinfo.js';
import { isProcessAlive } from '../../src/linux/process-info.js';
import { Container } from '../lib/container.js';
import { driverPaths } from '../lib/driver.js';
import { KillableDriver } from '../lib/killable-driver.js';
import { removeLeftovers } from '../lib/leftovers.js';
import { SHARED, createRequest, retried } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';
import { waitFor } from '../lib/wait.js';
import { FILE_TIMEOUT_MS, IS_LONG } from '../runner/long.js';

const POOL = 'lagoon';
const HANDLE = `${POOL}/data`;

interface Way {
  readonly how: string;
  /** Makes uname(2) say 2.6, so that the driver does not try what needs Linux 6.5. */
  readonly prefix: readonly string[];
}

const WAYS: readonly Way[] = [
  { how: 'in one step', prefix: [] },
  { how: 'as before Linux 6.5', prefix: ['setarch', '--uname-2.6'] },
];

/** The client of a pool dies, and the driver while it replaces the dead mounts. */
describe('kill -9 in the middle of healing', { timeout: FILE_TIMEOUT_MS }, () => {
  let directory: string;
  let driver: KillableDriver;
  let container: Container | undefined;

  afterEach(async () => {
    await container?.stop();
    await driver?.stop();
    await removeLeftovers(directory);
  });

  const path = (...names: readonly string[]): string => join(directory, ...names);
  const clientFile = (): string =>
    join(driverPaths(directory).kubeletDir, 'plugins/csi.kayal.storage/pools', POOL, 'client.pid');

  // The way of older kernels takes minutes.
  it.each(IS_LONG ? WAYS : WAYS.slice(0, 1))(
    '$how: the container goes on, and nothing is mounted twice',
    async ({ prefix }) => {
      directory = await mkdtemp(join(tmpdir(), 'hk-'));
      await mustRun('mount', ['--bind', directory, directory]);
      await mustRun('mount', ['--make-shared', directory]);
      for (const name of ['pods', 'staging', 'cache']) await mkdir(path(name));
      await mustRun('mount', ['-t', 'tmpfs', 'cache', path('cache')]);
      const pools = [{ name: POOL, type: 'managed', replica: 1, bricks: [path('brick')], quota: 'none' }];
      driver = await KillableDriver.start({ directory, pools, prefix });
      await retried(() => driver.client.controller.CreateVolume(createRequest('data', { sizeMiB: 16 })));
      const request = { volume_id: HANDLE, staging_target_path: path('staging'), volume_capability: SHARED };
      const target_path = path('pods', 'rw');
      await retried(() => driver.client.node.NodeStageVolume(request));
      await retried(() => driver.client.node.NodePublishVolume({ ...request, target_path }));
      await mkdir(join(target_path, 'cache'));
      const pod = {
        directory: path('container'),
        mounts: [
          { from: target_path, at: 'data' },
          { from: path('cache'), at: 'data/cache' },
        ],
        files: ['data/log', 'data/cache/log'],
        verb: 'append',
      } as const;
      container = await Container.start(pod);
      const nested = path('kubelet/plugins/csi.kayal.storage/nested-mounts.json');
      /** As it is mounted now: what was mounted in the last seconds before a client dies may be lost (docs/reliability.md). */
      const knowsNested = async (): Promise<true | undefined> => {
        const id = (await container?.mounts())?.find(({ fsType }) => fsType === 'tmpfs')?.id;
        const known = await readFile(nested, 'utf8').catch(() => '');
        return id !== undefined && known.includes(`"id":${id},`) ? true : undefined;
      };
      await waitFor('the driver to know the nested mount', knowsNested);

      const works = (since: number): true | undefined => {
        const attempts = container?.since(since) ?? [];
        return attempts.length > 10 && attempts.slice(-10).every(({ ok }) => ok) ? true : undefined;
      };
      const healed = async (): Promise<true | undefined> => {
        if (!driver.driver.isRunning) throw new Error('it was killed');
        const since = performance.now();
        return waitFor('the container to write again', () => works(since), { timeoutMs: 2_000 }).catch(() => undefined);
      };
      const isWhole = async (): Promise<boolean> =>
        (await container?.mounts())?.map(({ fsType }) => fsType).join() === 'fuse.glusterfs,tmpfs';
      /** What docs/reliability.md asks for where a mount cannot be replaced in one step, and the driver died in between. */
      const restartPod = async (): Promise<void> => {
        if (prefix.length === 0 || (await isWhole())) return;
        await container?.stop();
        await retried(() => driver.client.node.NodeUnpublishVolume({ volume_id: HANDLE, target_path }));
        await retried(() => driver.client.node.NodePublishVolume({ ...request, target_path }));
        container = await Container.start(pod);
      };
      const visited = await driver.killEverywhere({
        what: `healing, ${prefix.length === 0 ? 'in one step' : 'as before Linux 6.5'}`,
        call: async () => {
          const { pid, startTime } = JSON.parse(await readFile(clientFile(), 'utf8')) as {
            pid: number;
            startTime: string;
          };
          // As if a replacement had been cut off before: a mount of the volume below the one that is seen.
          if (prefix.length > 0) await mustRun('mount', ['--bind', target_path, target_path]);
          process.kill(pid, 'SIGKILL');
          await waitFor('its end', async () => ((await isProcessAlive(pid, startTime)) ? undefined : true));
          await waitFor('the container to be healed', healed);
        },
        check: async () => {
          await waitFor('the container to be healed', healed);
          await restartPod();
          for (const entries of [await readMountinfo(), (await container?.mounts()) ?? []]) {
            const targets = entries.map(({ target }) => target).filter((target) => target.startsWith(directory));
            expect(targets).toEqual([...new Set(targets)]);
          }
          expect(await isWhole()).toBe(true);
          await waitFor('the driver to know the nested mount', knowsNested);
        },
        most: 3,
      });
      console.log('kill -9 in the middle of healing', visited);
      expect(visited.visited).toBeGreaterThan(1);
    },
  );
});
