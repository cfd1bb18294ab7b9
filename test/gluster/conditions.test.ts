import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordPath } from '../../src/volumes/records/layout.js';
import { driverPaths, type Driver } from '../lib/driver.js';
import { writeMiB } from '../lib/managed-pool.js';
import { MountedVolumes } from '../lib/mounted-volumes.js';
import { startOpen } from '../lib/open-driver.js';
import { createRequest, retried } from '../lib/requests.js';
import { runCommand } from '../lib/run-command.js';
import { twoPools, type TwoPools } from '../lib/two-pools.js';
import { sleep, waitFor } from '../lib/wait.js';

/** What is abnormal of a volume, as each side says it; undefined: nothing. */
interface Said {
  readonly get: string | undefined;
  readonly listed: string | undefined;
  readonly node: string | undefined;
}

/** The conditions that make both sides call a volume abnormal; entries to heal are in modify.test.ts. */
describe('the condition of a volume, from the controller and from the node', () => {
  let pools: TwoPools;
  let driver: Driver;
  let mounts: MountedVolumes;

  beforeAll(async () => {
    pools = await twoPools('cond-');
    driver = await startOpen(pools.options);
    mounts = new MountedVolumes(pools.directory, () => driver);
    for (const [name, pool] of [
      ['plain', 'dir'],
      ['full', 'fast'],
    ] as const) {
      const wish = createRequest(name, { sizeMiB: 8, parameters: { pool } });
      await retried(() => driver.client.controller.CreateVolume(wish));
      await mounts.path(`${pool}/${name}`);
    }
  });

  afterAll(async () => {
    await mounts?.releaseAll();
    await driver?.stop();
    await pools?.remove();
  });

  const look = async (handle: string): Promise<Said> => {
    const { controller, node } = driver.client;
    const path = await mounts.path(handle);
    const [got, listed, stats] = await Promise.all([
      controller.ControllerGetVolume({ volume_id: handle }),
      controller.ListVolumes({}),
      node.NodeGetVolumeStats({ volume_id: handle, volume_path: path }),
    ]);
    const entry = listed.entries.find(({ volume }) => volume?.volume_id === handle);
    const say = (condition: { abnormal: boolean; message: string } | null | undefined): string | undefined =>
      condition?.abnormal === true ? condition.message : undefined;
    return {
      get: say(got.status?.volume_condition),
      listed: say(entry?.status?.volume_condition),
      node: say(stats.volume_condition),
    };
  };
  const WELL: Said = { get: undefined, listed: undefined, node: undefined };
  const waitUntil = (what: string, handle: string, isSo: (said: Said) => boolean): Promise<Said> =>
    waitFor(
      what,
      async () => {
        const said = await look(handle);
        return isSo(said) ? said : undefined;
      },
      { timeoutMs: 90_000 },
    );
  const bothTell = ({ get, node }: Said): boolean => get !== undefined && node !== undefined;
  const waitUntilWell = (handle: string): Promise<Said> =>
    waitUntil('the volume to be well', handle, (said) => Object.values(said).every((text) => text === undefined));
  const clientPids = async (): Promise<number[]> => {
    const { kubeletDir, stateDir } = driverPaths(pools.directory);
    const files = [join(kubeletDir, 'plugins/csi.kayal.storage/pools/fast'), join(stateDir, 'control/fast')];
    const texts = await Promise.all(files.map((file) => readFile(join(file, 'client.pid'), 'utf8')));
    return texts.map((text) => (JSON.parse(text) as { pid: number }).pid);
  };
  const brickPids = async (): Promise<number[]> => {
    const { stdout } = await runCommand('pgrep', ['-f', `glusterfsd.*${pools.directory}/`]);
    return stdout.trim().split('\n').map(Number);
  };

  it('is well', async () => {
    expect(await waitUntilWell('dir/plain')).toEqual(WELL);
    expect(await waitUntilWell('fast/full')).toEqual(WELL);
  });

  it('a client that hangs', async () => {
    const pids = await clientPids();
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    try {
      // The kernel answers from its cache for a second.
      await sleep(1_500);
      const { get, node } = await waitUntil('both to tell', 'fast/full', bothTell);
      expect(get).toMatch(/its data cannot be read|pool fast is not available/);
      expect(node).toMatch(/did not answer|hangs/);
      expect(await look('dir/plain')).toEqual(WELL);
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
    await waitUntilWell('fast/full');
  });

  it('a pool that cannot be reached, whose clients have died', async () => {
    const bricks = await brickPids();
    for (const pid of bricks) process.kill(pid, 'SIGSTOP');
    try {
      for (const pid of await clientPids()) process.kill(pid, 'SIGKILL');
      const said = await waitUntil(
        'all to tell',
        'fast/full',
        ({ get, listed, node }) => get !== undefined && listed !== undefined && node !== undefined,
      );
      expect(said.get).toMatch(/pool fast is not available|its data cannot be read/);
      expect(said.listed).toMatch(/pool fast is not available/);
      expect(said.node).toMatch(/pool fast|fast\/full cannot be used/);
    } finally {
      for (const pid of bricks) process.kill(pid, 'SIGCONT');
    }
    await waitUntilWell('fast/full');
  });

  it('usage of 95 % and more, and a record that is damaged', async () => {
    const path = await mounts.path('fast/full');
    expect(await writeMiB(join(path, 'data'), 7)).toMatchObject({ ok: true });
    await waitUntilWell('fast/full');
    await runCommand('dd', ['if=/dev/zero', `of=${join(path, 'rest')}`, 'bs=64k', 'count=11', 'conv=fsync']);
    const nearlyFull = /9\d % of 8 MiB are used \(softLimitPercent 95\): expand the volume/;
    const { get, node } = await waitUntil('both to tell', 'fast/full', bothTell);
    expect(get).toMatch(nearlyFull);
    expect(node).toMatch(nearlyFull);

    const file = join(pools.path, recordPath('plain'));
    const text = await readFile(file, 'utf8');
    await driver.stop();
    await writeFile(file, text.slice(0, 60));
    driver = await startOpen(pools.options);
    const said = await look('dir/plain');
    for (const message of Object.values(said))
      expect(message).toMatch(/record .*plain\.json of volume plain is damaged/);
    // Usage is sampled in the background, from the start on.
    const full = await waitUntil('the list to tell', 'fast/full', ({ listed }) => listed !== undefined);
    expect(full.listed).toMatch(nearlyFull);

    await driver.stop();
    await writeFile(file, text);
    driver = await startOpen(pools.options);
    await waitUntilWell('dir/plain');
  });
});
