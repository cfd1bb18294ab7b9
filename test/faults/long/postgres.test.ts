import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pendingHealsOf } from '../../../src/gluster/heal-info.js';
import { driverPaths, type Driver } from '../../lib/driver.js';
import { findProcesses, removeLeftovers } from '../../lib/leftovers.js';
import { startOpen } from '../../lib/open-driver.js';
import type { PoolKeys } from '../../lib/pool-configs.js';
import { publishNew, type PublishedVolume } from '../../lib/published-volume.js';
import { runCommand } from '../../lib/run-command.js';
import { waitFor } from '../../lib/wait.js';
import { noteFault } from '../fault-table.js';
import {
  BENCHMARK_CLIENTS,
  balances,
  CommitLedger,
  prepareBenchmark,
  startBenchmark,
  type BenchmarkReport,
} from '../postgres-load.js';
import { PostgresServer, postgresUser } from '../postgres-server.js';

const POOL = 'three';
const HELD = 'every commit there; checksums, indexes, balances right; three copies identical';

/** A database does not forgive a lost write, an old page, or a file that is shorter than it was. */
describe('PostgreSQL on three bricks', { timeout: 300_000 }, () => {
  let directory: string;
  let driver: Driver;
  let volume: PublishedVolume;
  let server: PostgresServer;
  let ledger: CommitLedger;
  /** What all runs of pgbench were told, and how many of its clients never had an answer. */
  const benchmarks = { committed: 0, unanswered: 0 };

  const pools = (): PoolKeys[] => [
    {
      name: POOL,
      type: 'managed',
      clientCache: false,
      replica: 3,
      bricks: [1, 2, 3].map((number) => brick(number)),
      quota: 'none',
    },
  ];
  const brick = (number: number): string => join(directory, `b${number}`);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pg-'));
    for (const number of [1, 2, 3]) await mkdir(brick(number));
    driver = await startOpen({ directory, pools: pools() });
    const { uid, gid } = await postgresUser();
    const parameters = { uid: String(uid), gid: String(gid), mode: '0700' };
    volume = await publishNew(driver, 'db', { sizeMiB: 512, parameters });
    await mkdir(join(directory, 'postgres'));
    server = await PostgresServer.create({ directory: join(directory, 'postgres'), volume: volume.path });
    await server.start();
    ledger = await CommitLedger.create(server);
    await prepareBenchmark(server);
  }, 300_000);

  afterAll(async () => {
    await server?.kill();
    await driver?.stop();
    await removeLeftovers(directory);
  });

  const count = (report: BenchmarkReport): void => {
    benchmarks.committed += report.committed;
    if (!report.isComplete) benchmarks.unanswered += BENCHMARK_CLIENTS;
  };

  /** Two programs commit while something is done; none of them is to notice. @returns what they saw */
  const unnoticed = async (fault: () => Promise<void>): Promise<string> => {
    const said = (await server.log()).length;
    const endBenchmark = startBenchmark(server);
    ledger.start();
    await ledger.goesOn();
    await fault();
    await ledger.goesOn();
    const told = await ledger.end();
    const benchmark = await endBenchmark();
    count(benchmark);
    expect(told.errors).toEqual([]);
    expect(benchmark).toMatchObject({ failed: 0, isComplete: true });
    const lines = (await server.log()).slice(said).split('\n');
    expect(lines.filter((line) => /\b(?:WARNING|ERROR|FATAL|PANIC):/.test(line))).toEqual([]);
    return `no error in ${told.committed + benchmark.committed} commits, the longest took ${told.longestMs} ms`;
  };

  const brickPid = async (number: number): Promise<number | undefined> => {
    const path = `${brick(number)} `;
    const [found] = await findProcesses((command) => command.startsWith('glusterfsd ') && command.includes(path));
    return found?.pid;
  };

  const healed = async (): Promise<void> => {
    const isHealed = async (): Promise<true | undefined> => {
      const counts = await Promise.all([1, 2, 3].map((number) => pendingHealsOf(brick(number))));
      return counts.every((pending) => pending === 0) ? true : undefined;
    };
    await waitFor('nothing to be left to heal', isHealed, { timeoutMs: 90_000, intervalMs: 500 });
  };

  const killBrick = async (number: number): Promise<void> => {
    const pid = await brickPid(number);
    if (pid === undefined) throw new Error(`brick ${number} does not run`);
    process.kill(pid, 'SIGKILL');
    await ledger.goesOn();
    const another = async (): Promise<number | undefined> => {
      const now = await brickPid(number);
      return now === pid ? undefined : now;
    };
    await waitFor('another process of the brick', another, { intervalMs: 500 });
    await healed();
  };

  const killClient = async (): Promise<void> => {
    const file = join(driverPaths(directory).kubeletDir, 'plugins/csi.kayal.storage/pools', POOL, 'client.pid');
    process.kill((JSON.parse(await readFile(file, 'utf8')) as { pid: number }).pid, 'SIGKILL');
  };

  /** What a client that ended was writing just then is looked for every 10 s (`heal-timeout`). */
  const expectSameCopies = async (): Promise<void> => {
    await healed();
    const [first = '', ...others] = [1, 2, 3].map((number) => join(brick(number), volume.poolPath));
    const differences = async (): Promise<string> => {
      const results = await Promise.all(others.map((other) => runCommand('diff', ['-r', '--brief', first, other])));
      return results.map(({ stdout, stderr }) => stdout + stderr).join('');
    };
    await expect.poll(differences, { timeout: 60_000, interval: 500 }).toBe('');
  };

  /** What was promised to the clients is there, and nothing of the rest is damaged; stops the server for it, and starts it again. */
  const expectWhole = async (): Promise<void> => {
    expect(await ledger.missing()).toEqual([]);
    const { sums, transactions } = await balances(server);
    expect(new Set(sums).size).toBe(1);
    expect(transactions).toBeGreaterThanOrEqual(benchmarks.committed);
    expect(transactions).toBeLessThanOrEqual(benchmarks.committed + benchmarks.unanswered);
    await server.checkIndexes();
    expect(await server.stop()).toBe(0);
    await expectSameCopies();
    expect(await server.checkChecksums()).toBeGreaterThan(1_000);
    await server.start();
  };

  it('bricks killed, one after the other: no transaction fails', async () => {
    const seen: string[] = [];
    for (const number of [1, 2]) {
      seen.push(await unnoticed(() => killBrick(number)));
      // What was opened while one brick was away and is not used until another one goes fails once: docs/reliability.md.
      expect(await server.stop()).toBe(0);
      await server.start();
    }
    await expectWhole();
    const fault = 'a brick of three killed, then another one, under PostgreSQL';
    await noteFault({ fault, times: 2, seen: seen.join('; '), held: HELD });
  });

  it('the driver killed, started, ended and started: no transaction fails', async () => {
    const seen = await unnoticed(async () => {
      await driver.kill();
      await ledger.goesOn();
      driver = await startOpen({ directory, pools: pools() });
      await ledger.goesOn();
      expect(await driver.stop()).toBe(0);
      await ledger.goesOn();
      driver = await startOpen({ directory, pools: pools() });
    });
    await expectWhole();
    await noteFault({ fault: 'the driver killed, then upgraded, under PostgreSQL', times: 2, seen, held: HELD });
  });

  it('the GlusterFS client killed: PostgreSQL ends, and recovers when its pod starts again', async () => {
    const endBenchmark = startBenchmark(server);
    ledger.start();
    await ledger.goesOn(50);
    const said = (await server.log()).length;
    const at = performance.now();
    await killClient();
    await waitFor('PostgreSQL to end', () => (server.isRunning ? undefined : true));
    const endedAfter = Math.round(performance.now() - at);
    const told = await ledger.end();
    const benchmark = await endBenchmark();
    count(benchmark);
    expect(told.errors.length).toBeGreaterThan(0);
    expect(benchmark.isComplete).toBe(false);
    // The mount of its pod is there again at the latest when kubelet would start it once more.
    await waitFor('PostgreSQL to start', () =>
      server.start().then(
        () => true,
        () => undefined,
      ),
    );
    ledger.start();
    await ledger.goesOn(1);
    const commitsAfter = Math.round(performance.now() - at);
    expect((await server.log()).slice(said)).toMatch(/automatic recovery in progress/);
    expect((await ledger.end()).errors).toEqual([]);
    await expectWhole();
    const acknowledged = told.committed + benchmark.committed;
    const seen = `PostgreSQL ended after ${endedAfter} ms, committed again after ${commitsAfter} ms; ${acknowledged} commits before`;
    await noteFault({ fault: 'the GlusterFS client killed under PostgreSQL', times: 1, seen, held: HELD });
  });
});
