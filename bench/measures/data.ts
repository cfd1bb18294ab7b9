import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { mustRun } from '../../test/lib/run-command.js';
import { removeDirectory } from '../../test/lib/run-directory.js';
import { figureOf, type Bar, type Unit } from '../figure.js';
import { inRounds, type Bench, type PoolMeasure } from './measure.js';

interface Job {
  readonly what: string;
  readonly unit: Unit;
  readonly args: readonly string[];
  readonly side: 'read' | 'write';
}

const BAR: Bar = { kind: 'at least', times: 0.98 };
const VOLUME_MIB = 1024;

const jobOf = (what: string, unit: Unit, side: Job['side'], ...args: readonly string[]): Job => ({
  what,
  unit,
  side,
  args,
});

function jobs(seconds: number): readonly Job[] {
  const timed = ['--size=64m', '--time_based', `--runtime=${seconds}`];
  return [
    jobOf('4k random reads', 'per s', 'read', '--rw=randread', '--bs=4k', ...timed),
    jobOf('4k random writes', 'per s', 'write', '--rw=randwrite', '--bs=4k', '--fdatasync=32', ...timed),
    jobOf('1M sequential reads', 'MB/s', 'read', '--rw=read', '--bs=1m', ...timed),
    jobOf('1M sequential writes', 'MB/s', 'write', '--rw=write', '--bs=1m', '--end_fsync=1', ...timed),
    jobOf(
      'small files of 4k written',
      'per s',
      'write',
      '--rw=write',
      '--bs=4k',
      '--filesize=4k',
      `--nrfiles=${seconds * 200}`,
      '--openfiles=1',
      '--file_service_type=sequential',
      '--create_on_open=1',
    ),
  ];
}

const side = v.object({ iops: v.number(), bw_bytes: v.number() });
const report = v.object({ jobs: v.pipe(v.array(v.object({ read: side, write: side })), v.length(1)) });

/** Runs fio(1) in a directory of its own. */
async function fio(directory: string, { args, side: which, unit }: Job): Promise<number> {
  await mkdir(directory);
  const common = [
    '--name=bench',
    `--directory=${directory}`,
    '--ioengine=psync',
    '--output-format=json',
    '--invalidate=1',
  ];
  const text = await mustRun('fio', [...common, ...args], { timeoutMs: 300_000 });
  await removeDirectory(directory);
  // Notes come before the report, if there are any.
  const [first] = v.parse(report, JSON.parse(text.slice(text.indexOf('{')))).jobs;
  if (first === undefined) throw new Error('fio reported no job');
  return unit === 'MB/s' ? first[which].bw_bytes / 1e6 : first[which].iops;
}

async function oneRound(bench: Bench, places: { readonly bare: string; readonly volume: string }, round: number) {
  const results = [];
  for (const job of jobs(bench.plan.fioSeconds)) {
    const run = (place: string): Promise<number> => fio(join(place, 'fio'), job);
    // Whoever comes second finds the machine as the first one left it.
    const bareFirst = round % 2 === 0;
    const first = await run(bareFirst ? places.bare : places.volume);
    const second = await run(bareFirst ? places.volume : places.bare);
    results.push({ job, value: bareFirst ? second : first, floor: bareFirst ? first : second });
  }
  return results;
}

export const data: PoolMeasure = {
  name: 'data',
  title: 'the data path inside a published volume (fio)',
  run: async (bench, stage) => {
    const { load } = stage;
    await load.createOne('data', VOLUME_MIB);
    await load.prepareTargets(['data']);
    await load.publishOne('data');
    const places = { bare: await stage.floorRoot('data', stage.clientRoot), volume: load.target('data') };
    const rounds = await inRounds(bench.plan.fioRounds, (round) => oneRound(bench, places, round));
    await load.unpublish(['data'], 1);
    await load.unstage(['data']);
    await load.delete(['data'], 1);
    await removeDirectory(places.bare);
    await stage.settled();
    return jobs(bench.plan.fioSeconds).map(({ what, unit }) =>
      figureOf(
        { measure: 'data', pool: stage.pool, subject: 'kayal', what, against: 'a directory of the client mount', unit },
        rounds.flat().filter(({ job }) => job.what === what),
        BAR,
      ),
    );
  },
};
