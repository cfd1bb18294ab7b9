import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { removeDirectory } from '../../test/lib/run-directory.js';
import { mustRun } from '../../test/lib/run-command.js';
import { figureOf, type Figure, type Pair } from '../figure.js';
import { p50, p99, type Sample } from '../sample.js';
import type { Stage } from '../stage/stage.js';
import { inRounds, numbered, type Bench, type PoolMeasure } from './measure.js';

const DIRECTORIES = 40;
/** Each makes a volume of a size that takes its time to fill. */
const MOST_ROUNDS = 3;
/** As many as Kayal has, see src/linux/remove-tree.ts. */
const PARALLEL = 4;

interface Round {
  readonly deleteSmall: Pair;
  readonly deleteLarge: Pair;
  readonly purge: Pair;
  readonly calls: Pair;
  readonly callsMedian: Pair;
}

function fill({ floor, plan }: Bench, stage: Stage, root: string): Promise<Sample> {
  const files = Math.ceil(plan.files[stage.pool] / DIRECTORIES);
  return floor.run('fill', numbered('d', DIRECTORIES), PARALLEL, { root, files });
}

async function makeFilled(bench: Bench, stage: Stage, name: string): Promise<void> {
  const { load } = stage;
  await load.createOne(name, 64);
  await load.prepareTargets([name]);
  await load.publishOne(name);
  await fill(bench, stage, load.target(name));
  await load.unpublish([name], 1);
  await load.unstage([name]);
}

/** rm -rf of the directories, several at a time. @returns seconds */
async function removeInParallel(root: string): Promise<number> {
  const since = performance.now();
  const names = numbered('d', DIRECTORIES);
  await Promise.all(
    Array.from({ length: PARALLEL }, (_, lane) => {
      const paths = names.filter((_name, index) => index % PARALLEL === lane).map((name) => join(root, name));
      return mustRun('rm', ['-rf', '--', ...paths], { timeoutMs: 600_000 });
    }),
  );
  return (performance.now() - since) / 1000;
}

async function deleteSmall(bench: Bench, stage: Stage, round: number): Promise<Pair> {
  const root = await stage.floorRoot(`delete-${round}`);
  const names = numbered(`small${round}`, Math.ceil(bench.plan.calls / 3));
  await bench.floor.run('create', names, 1, { root, quota: stage.quota, bytes: 1024 * 1024 });
  await bench.floor.run('fill', names, 1, { root, files: 1 });
  const floor = await bench.floor.run('remove', names, 1, { root });
  await removeDirectory(root);
  const { load } = stage;
  await load.create(names, 8);
  for (const name of names) {
    const path = load.volume(name).context['path'] ?? '';
    await bench.floor.run('fill', [path], 1, { root: stage.controlRoot, files: 1 });
  }
  const deleted = await load.delete(names, 1);
  return { value: p50(deleted), floor: p50(floor) };
}

/** Makes volumes, one after the other, as long as asked. */
async function calls(stage: Stage, prefix: string, goOn: (count: number) => boolean): Promise<readonly number[]> {
  const times: number[] = [];
  const names: string[] = [];
  while (goOn(times.length)) {
    const name = `${prefix}-${times.length}`;
    const since = performance.now();
    await stage.load.createOne(name);
    times.push(performance.now() - since);
    names.push(name);
  }
  await stage.load.delete(names, 8);
  return times;
}

async function oneRound(bench: Bench, stage: Stage, round: number): Promise<Round> {
  const { load } = stage;
  const small = await deleteSmall(bench, stage, round);
  await stage.settled();

  const root = await stage.floorRoot(`purge-${round}`, stage.clientRoot);
  await fill(bench, stage, root);
  await makeFilled(bench, stage, `large${round}`);
  await makeFilled(bench, stage, `busy${round}`);
  const seen = join(stage.controlRoot, `floor-purge-${round}`);
  const since = performance.now();
  await rename(seen, `${seen}-moved`);
  const moved = performance.now() - since;
  const files = bench.plan.files[stage.pool];
  const floorSeconds = await removeInParallel(`${seen}-moved`);
  await removeDirectory(`${seen}-moved`);

  const [large = Number.NaN] = (await load.delete([`large${round}`], 1)).times;
  const purgeSince = performance.now();
  await stage.settled();
  const purgeSeconds = (performance.now() - purgeSince) / 1000;

  const idle = await calls(stage, `idle${round}`, (count) => count < bench.plan.calls);
  await stage.settled();
  await load.delete([`busy${round}`], 1);
  let isPurged = false;
  const end = stage.settled().then(() => {
    isPurged = true;
  });
  const busy = await calls(stage, `busy${round}-call`, (count) => count === 0 || !isPurged);
  await end;
  await stage.settled();
  const sample = (times: readonly number[]): Sample => ({ times, seconds: 0 });
  return {
    deleteSmall: small,
    deleteLarge: { value: large, floor: moved },
    purge: { value: files / purgeSeconds, floor: files / floorSeconds },
    calls: { value: p99(sample(busy)), floor: p99(sample(idle)) },
    callsMedian: { value: p50(sample(busy)), floor: p50(sample(idle)) },
  };
}

export const purge: PoolMeasure = {
  name: 'purge',
  title: 'DeleteVolume of volumes with files, and the purge behind it',
  run: async (bench, stage) => {
    const { files, rounds: asked } = bench.plan;
    const rounds = await inRounds(Math.min(asked, MOST_ROUNDS), (round) => oneRound(bench, stage, round));
    const count = files[stage.pool];
    const named = (what: string, against: string) =>
      ({ measure: 'purge', pool: stage.pool, subject: 'kayal', what, against, unit: 'ms' }) as const;
    const of = (key: keyof Round): readonly Pair[] => rounds.map((round) => round[key]);
    const figures: readonly Figure[] = [
      figureOf(named('DeleteVolume p50, 1 file inside', 'rename, unlink'), of('deleteSmall'), {
        kind: 'at most',
        times: 1,
        plus: 1,
      }),
      figureOf(
        named(`DeleteVolume, ${count} files inside`, 'DeleteVolume p50, 1 file inside'),
        rounds.map((round) => ({ value: round.deleteLarge.value, floor: round.deleteSmall.value })),
        { kind: 'at most', times: 1.5, plus: 1 },
      ),
      figureOf({ ...named(`purge of ${count} files`, `${PARALLEL} × rm -rf`), unit: 'per s' }, of('purge'), {
        kind: 'at least',
        times: 0.8,
      }),
      figureOf(named('CreateVolume p50 while purging', 'idle'), of('callsMedian')),
      figureOf(named('CreateVolume p99 while purging', 'idle'), of('calls'), { kind: 'at most', times: 2 }),
    ];
    return figures;
  },
};
