import { access, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isProcessAlive } from '../../src/linux/process-info.js';
import { readMountinfo } from '../../src/linux/mountinfo.js';
import { Container } from '../lib/container.js';
import { Driver, driverPaths } from '../lib/driver.js';
import { removeLeftovers } from '../lib/leftovers.js';
import { servedMetrics } from '../lib/metrics.js';
import { SHARED, createRequest, retried } from '../lib/requests.js';
import { mustRun } from '../lib/run-command.js';
import { sleep, waitFor } from '../lib/wait.js';

const POOL = 'lagoon';
const HANDLE = `${POOL}/data`;
const HEALED_WITHIN_MS = 10_000;

/** A node with running containers, whose client is killed in every way. */
describe('healing', () => {
  let directory: string;
  let driver: Driver;
  let containers: Readonly<Record<string, Container>>;
  const timings: string[] = [];

  const start = (): Promise<Driver> =>
    Driver.start({
      directory,
      pools: [{ name: POOL, type: 'managed', replica: 1, bricks: [join(directory, 'brick')], quota: 'none' }],
      metricsAddress: '127.0.0.1:0',
    });
  const path = (...names: readonly string[]): string => join(directory, ...names);
  const target = (name: string): string => path('pods', name);
  const staging = (): string => path('staging');

  const publish = (name: string, readonly = false) =>
    retried(() =>
      driver.client.node.NodePublishVolume({
        volume_id: HANDLE,
        staging_target_path: staging(),
        target_path: target(name),
        volume_capability: SHARED,
        readonly,
      }),
    );
  const stats = (name: string) =>
    driver.client.node.NodeGetVolumeStats({ volume_id: HANDLE, volume_path: target(name) });

  const client = async (): Promise<{ pid: number; startTime: string }> => {
    const file = join(driverPaths(directory).kubeletDir, 'plugins/csi.kayal.storage/pools', POOL, 'client.pid');
    return JSON.parse(await readFile(file, 'utf8')) as { pid: number; startTime: string };
  };
  const killClient = async (): Promise<number> => {
    const { pid, startTime } = await client();
    const at = performance.now();
    process.kill(pid, 'SIGKILL');
    await waitFor('the end of the client', async () => ((await isProcessAlive(pid, startTime)) ? undefined : true), {
      intervalMs: 5,
    });
    return at;
  };

  /** Waits until every container's attempts succeed again; the milliseconds from `at` to the last one's first success. */
  const allWork = async (at: number): Promise<number> => {
    const back = await waitFor('all containers to work again', () => {
      const firsts = Object.values(containers).map((container) => {
        const after = container.since(at);
        const lastError = after.findLastIndex(({ ok }) => !ok);
        // Half a second of nothing but success.
        return after.length - lastError > 25 ? after[lastError + 1]?.at : undefined;
      });
      return firsts.every((first) => first !== undefined) ? Math.max(...firsts) - at : undefined;
    });
    return Math.round(back);
  };

  const checkNothingStacked = async (): Promise<void> => {
    const all = [
      await readMountinfo(),
      ...(await Promise.all(Object.values(containers).map((container) => container.mounts()))),
    ];
    for (const entries of all) {
      const targets = entries.map((entry) => entry.target).filter((name) => name.startsWith(directory));
      expect(targets).toEqual([...new Set(targets)]);
    }
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'heal-'));
    // As systemd has it for all of a node: what is mounted here propagates, also to what was copied from it.
    await mustRun('mount', ['--bind', directory, directory]);
    await mustRun('mount', ['--make-shared', directory]);
    for (const name of ['brick', 'pods', 'staging', 'cache']) await mkdir(path(name));
    await mustRun('mount', ['-t', 'tmpfs', 'cache', path('cache')]);
    driver = await start();
    await retried(() => driver.client.controller.CreateVolume(createRequest('data', { sizeMiB: 100 })));
    await retried(() =>
      driver.client.node.NodeStageVolume({
        volume_id: HANDLE,
        staging_target_path: staging(),
        volume_capability: SHARED,
      }),
    );
    await publish('rw');
    await publish('ro', true);
    const volume = target('rw');
    await mkdir(join(volume, 'sub'));
    await mkdir(join(volume, 'cache'));
    await writeFile(join(volume, 'settings'), 'a line\n');
    await mkdir(path('subpath'));
    // As kubelet does it: the node has the sub-path mounted, too.
    await mustRun('mount', ['--bind', join(volume, 'sub'), path('subpath')]);
    const data = { from: volume, at: 'data' };
    const names = {
      plain: { mounts: [data], files: ['data/plain'], verb: 'append' },
      unprivileged: { mounts: [data], files: ['data/unprivileged'], verb: 'append', uid: 1000, propagation: 'slave' },
      subpath: { mounts: [{ from: path('subpath'), at: 'data' }], files: ['data/subpath'], verb: 'append' },
      readonly: { mounts: [{ from: target('ro'), at: 'data' }], files: ['data/settings'], verb: 'read' },
      nested: {
        mounts: [data, { from: path('cache'), at: 'data/cache' }],
        files: ['data/nested', 'data/cache/nested'],
        verb: 'append',
      },
      file: {
        mounts: [
          { from: volume, at: 'data', readOnly: true },
          { from: join(volume, 'sub'), at: 'data/sub' },
        ],
        files: ['data/sub/inner'],
        verb: 'append',
      },
    } as const;
    const started = await Promise.all(
      Object.entries(names).map(
        async ([name, options]) =>
          [name, await Container.start({ ...options, directory: path('containers', name) })] as const,
      ),
    );
    containers = Object.fromEntries(started);
    // The driver looks at what is nested in volumes from time to time.
    await waitFor('the driver to know the nested mounts', async () => {
      const known = await readFile(
        join(driverPaths(directory).kubeletDir, 'plugins/csi.kayal.storage/nested-mounts.json'),
        'utf8',
      ).catch(() => '');
      return ['nested/data/cache', 'file/data/sub'].every((name) => known.includes(name)) ? true : undefined;
    });
  }, 120_000);

  afterAll(async () => {
    console.log(timings.join('\n'));
    for (const container of Object.values(containers ?? {})) await container.stop();
    await driver?.kill();
    await removeLeftovers(directory);
  });

  const pids = (): number[] => Object.values(containers).map(({ pid }) => pid);

  const checkHealed = async (at: number, what: string): Promise<void> => {
    const took = await allWork(at);
    timings.push(`${what}: every container writes again after ${took} ms`);
    expect(took).toBeLessThan(HEALED_WITHIN_MS);
    expect(Object.values(containers).map(({ isRunning }) => isRunning)).toEqual(pids().map(() => true));
    await checkNothingStacked();
    const { readonly, nested, unprivileged } = containers;
    const options = (await readonly?.mounts())?.map((entry) => entry.options.includes('ro'));
    expect(options).toEqual([true]);
    expect((await readonly?.run('touch', join(readonly.directory, 'data/x')))?.output).toMatch(/Read-only file system/);
    expect((await nested?.mounts())?.map(({ fsType }) => fsType)).toEqual(['fuse.glusterfs', 'tmpfs']);
    // What went to the nested mount is there, and not in the volume below it.
    expect(await readFile(path('cache/nested'), 'utf8')).toMatch(/^\d+\n/);
    await expect(access(join(target('rw'), 'cache/nested'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(unprivileged?.attempts.at(-1)?.ok).toBe(true);
    for (const name of ['rw', 'ro']) {
      const { volume_condition: condition } = await stats(name);
      expect(condition).toMatchObject({ abnormal: false });
    }
  };

  it.each([1, 2, 3])('a client that is killed while containers write: all go on, round %d', async (round) => {
    await checkHealed(await killClient(), `client killed, round ${round}`);
  });

  it('only what was open then is lost, for whoever had it open', async () => {
    const mounts = [{ from: target('rw'), at: 'data' }];
    const options = { directory: path('containers/holder'), mounts, files: ['data/held'], verb: 'hold' } as const;
    const holder = await Container.start(options);
    try {
      const at = await killClient();
      await checkHealed(at, 'client killed, with a file open');
      expect(holder.attempts.slice(-5).map(({ ok }) => ok)).toEqual([false, false, false, false, false]);
      expect((await holder.run('sh', '-c', `echo x >> ${holder.directory}/data/held`)).output).toBe('');
    } finally {
      await holder.stop();
    }
  });

  it('a volume is abnormal while its client is away', async () => {
    const at = await killClient();
    const { volume_condition: condition } = await stats('rw');
    expect(condition).toMatchObject({
      abnormal: true,
      message: expect.stringMatching(/client that is gone/) as string,
    });
    await checkHealed(at, 'client killed, with NodeGetVolumeStats');
  });

  it('a driver that is killed: nobody notices', async () => {
    const at = performance.now();
    await driver.kill();
    await sleep(1_000);
    driver = await start();
    await sleep(1_000);
    for (const container of Object.values(containers)) {
      expect(container.since(at).filter(({ ok }) => !ok)).toEqual([]);
      expect(container.since(at).length).toBeGreaterThan(10);
    }
    await checkNothingStacked();
  });

  it('a client of an earlier driver that is killed is replaced as well', async () => {
    await checkHealed(await killClient(), 'adopted client killed');
  });

  it('SIGTERM unmounts nothing that is published, and the bricks go on', async () => {
    const at = performance.now();
    expect(await driver.stop()).toBe(0);
    await sleep(1_000);
    for (const container of Object.values(containers)) {
      expect(container.since(at).filter(({ ok }) => !ok)).toEqual([]);
      expect(container.since(at).length).toBeGreaterThan(10);
    }
  });

  it('a client that ended while no driver was there is replaced by the next one', async () => {
    await killClient();
    await sleep(500);
    const at = performance.now();
    driver = await start();
    await checkHealed(at, 'driver started, its client dead');
  });

  it('a client that hangs is reported and left alone', async () => {
    const { pid, startTime } = await client();
    const stopped = performance.now();
    process.kill(pid, 'SIGSTOP');
    try {
      const log = driverPaths(directory).log;
      await waitFor('the report', async () =>
        (await readFile(log, 'utf8')).includes('the pool hangs: its client runs and does not answer')
          ? true
          : undefined,
      );
      expect((await stats('rw')).volume_condition).toMatchObject({ abnormal: true });
      expect(await isProcessAlive(pid, startTime)).toBe(true);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const at = performance.now();
    await allWork(at);
    for (const { attempts } of Object.values(containers)) {
      const pauses = attempts.slice(1).map((attempt, index) => attempt.at - (attempts[index]?.at ?? 0));
      timings.push(`client stopped: a writer waited ${Math.round(Math.max(...pauses))} ms, and saw no error`);
      expect(attempts.filter((attempt) => attempt.at >= stopped && !attempt.ok)).toEqual([]);
    }
    expect(await client()).toMatchObject({ pid });
  });

  it('counts it', async () => {
    const text = await waitFor('the pool to answer again', async () => {
      const metrics = await servedMetrics(driverPaths(directory).log);
      return metrics.includes('kayal_client_mount_up{pool="lagoon"} 1') ? metrics : undefined;
    });
    expect(text).toMatch(/kayal_client_heals_total\{pool="lagoon",result="healed"\} 1/);
    expect(text).toMatch(/kayal_client_heal_duration_seconds_count\{pool="lagoon"\} 1/);
  });
});
