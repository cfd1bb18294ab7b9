import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { availableBytes } from '../open-driver.js';
import { MiB } from '../requests.js';
import { waitFor } from '../wait.js';
import { LoadPool } from './load-pool.js';
import { LoadRun, type Strike } from './load-run.js';
import { chooseSeed } from './random.js';
import { reportLoad } from './report.js';

export interface LoadSuiteOptions {
  /** Clones not counted. */
  readonly volumes: number;
  readonly clients: number;
  readonly strikes: readonly Strike[];
  /** Size of each of the three bricks' sparse filesystems. */
  readonly brickMiB: number;
  readonly timeoutMs: number;
}

/** Beside what deleted files leave in the filesystem itself: GlusterFS keeps two directories of .glusterfs for each file there ever was. */
const SLACK_BYTES = 24 * MiB;
const SLACK_PER_VOLUME = 16 * 2 * 4096;

/** Many clients at a pool of three bricks, of which what serves it is killed. */
export function loadSuite(options: LoadSuiteOptions): void {
  const seed = chooseSeed();
  let pool: LoadPool;
  let isGood = false;

  beforeAll(async () => {
    pool = await LoadPool.start(await mkdtemp(join(tmpdir(), 'load-')), options.brickMiB, seed);
  });

  afterAll(async () => {
    await pool?.stop({ keep: !isGood });
  });

  it(
    'nothing is lost, nothing leaks, and no answer is INTERNAL',
    async () => {
      console.log(`KAYAL_TEST_SEED=${seed}`);
      const { directory, killer } = pool;
      const available = await availableBytes(killer.driver, pool.name);
      const run = new LoadRun({ ...options, directory, killer, seed });
      const { told } = run;
      const expectWell = (): void => expect({ seed, failures: run.failures }).toEqual({ seed, failures: [] });

      const started = performance.now();
      await run.live();
      const seconds = (performance.now() - started) / 1000;
      expectWell();
      await pool.expectTold(told);
      await run.readAll();
      expectWell();
      await pool.expectListed(told);
      await pool.expectPromised(told);
      await pool.expectDoctorContent();
      await pool.expectNothingMounted();
      const kept = `${told.volumes.size} volumes and ${told.snapshots.size} snapshots`;

      await run.deleteAll();
      expectWell();
      await pool.expectTold(told);
      await pool.expectListed(told);
      await pool.expectPromised(told);
      await waitFor('all of the pool to be there to promise', async () => {
        const missing = available - (await availableBytes(killer.driver, pool.name));
        return missing < SLACK_BYTES + run.volumes * SLACK_PER_VOLUME ? true : undefined;
      });
      await pool.expectNoInternal();
      await reportLoad(run, { ...options, seconds, kept });
      isGood = true;
    },
    options.timeoutMs,
  );
}
