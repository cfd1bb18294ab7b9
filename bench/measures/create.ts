import { removeDirectory } from '../../test/lib/run-directory.js';
import { figureOf, type Bar, type Figure, type Pair, type Unit } from '../figure.js';
import type { VolumeLoad } from '../load/volumes.js';
import { p50, p99, rate, type Sample } from '../sample.js';
import type { Stage } from '../stage/stage.js';
import { inRounds, numbered, type Bench, type PoolMeasure } from './measure.js';

const MANY = 32;
const BYTES = 1024 * 1024;

interface Runs {
  readonly one: Sample;
  readonly many: Sample;
  readonly deleteOne: Sample;
  readonly deleteMany: Sample;
}

interface Round {
  readonly floor: Runs;
  /** Kadalu's calls, one after the other. */
  readonly bare: Sample;
  readonly subjects: ReadonlyMap<string, Runs>;
}

async function floorRuns({ floor, plan }: Bench, stage: Stage, round: number): Promise<Pick<Round, 'floor' | 'bare'>> {
  const root = await stage.floorRoot(`create-${round}`);
  const options = { root, quota: stage.quota, bytes: BYTES };
  const ones = numbered('one', plan.volumes);
  const many = numbered('many', plan.volumesInFlight);
  const runs = {
    one: await floor.run('create', ones, 1, options),
    many: await floor.run('create', many, MANY, options),
    deleteOne: await floor.run('remove', ones, 1, options),
    deleteMany: await floor.run('remove', many, MANY, options),
  };
  const bare = await floor.run('createBare', numbered('bare', plan.volumes), 1, options);
  await removeDirectory(root);
  return { floor: runs, bare };
}

async function subjectRuns({ plan }: Bench, load: VolumeLoad, round: number): Promise<Runs> {
  const ones = numbered(`c${round}-one`, plan.volumes);
  const many = numbered(`c${round}-many`, plan.volumesInFlight);
  return {
    one: await load.create(ones, 1),
    many: await load.create(many, MANY),
    deleteOne: await load.delete(ones, 1),
    deleteMany: await load.delete(many, MANY),
  };
}

async function oneRound(bench: Bench, stage: Stage, round: number): Promise<Round> {
  const floor = await floorRuns(bench, stage, round);
  const subjects = new Map<string, Runs>();
  for (const load of [stage.load, ...bench.peers]) subjects.set(load.name, await subjectRuns(bench, load, round));
  await stage.settled();
  return { ...floor, subjects };
}

interface Row {
  readonly what: string;
  readonly against: string;
  readonly unit: Unit;
  readonly bar?: Bar;
  readonly floor: (round: Round) => number;
  readonly value: (runs: Runs) => number;
}

const RECORD = 'mkdir, record, limit, statfs';
const REMOVE = 'rename, unlink';

const ROWS: readonly Row[] = [
  {
    what: 'CreateVolume p50, 1 in flight',
    against: RECORD,
    unit: 'ms',
    bar: { kind: 'at most', times: 1.3, plus: 1 },
    floor: ({ floor }) => p50(floor.one),
    value: ({ one }) => p50(one),
  },
  {
    what: 'CreateVolume p99, 1 in flight',
    against: RECORD,
    unit: 'ms',
    floor: ({ floor }) => p99(floor.one),
    value: ({ one }) => p99(one),
  },
  {
    what: 'CreateVolume p50, 32 in flight',
    against: RECORD,
    unit: 'ms',
    floor: ({ floor }) => p50(floor.many),
    value: ({ many }) => p50(many),
  },
  {
    what: 'CreateVolume p99, 32 in flight',
    against: RECORD,
    unit: 'ms',
    floor: ({ floor }) => p99(floor.many),
    value: ({ many }) => p99(many),
  },
  {
    what: 'CreateVolume, 32 in flight',
    against: RECORD,
    unit: 'per s',
    bar: { kind: 'at least', times: 0.7 },
    floor: ({ floor }) => rate(floor.many),
    value: ({ many }) => rate(many),
  },
  {
    what: 'CreateVolume, 32 in flight',
    against: 'itself, 1 in flight',
    unit: 'per s',
    floor: () => 0,
    value: ({ many }) => rate(many),
  },
  {
    what: 'CreateVolume p50, 1 in flight',
    against: 'mkdir, 2 setxattr, stat, statvfs',
    unit: 'ms',
    bar: { kind: 'at most', times: 4 },
    floor: ({ bare }) => p50(bare),
    value: ({ one }) => p50(one),
  },
  {
    what: 'DeleteVolume p50, 1 in flight',
    against: REMOVE,
    unit: 'ms',
    bar: { kind: 'at most', times: 1, plus: 1 },
    floor: ({ floor }) => p50(floor.deleteOne),
    value: ({ deleteOne }) => p50(deleteOne),
  },
  {
    what: 'DeleteVolume, 32 in flight',
    against: REMOVE,
    unit: 'per s',
    floor: ({ floor }) => rate(floor.deleteMany),
    value: ({ deleteMany }) => rate(deleteMany),
  },
];

/** The bars of the two rows that are Kadalu's are for the pool that Kadalu was measured on. */
function barOf({ against, bar }: Row, pool: string): Bar | undefined {
  if (against.startsWith('itself')) return pool === 'replica1' ? { kind: 'at least', times: 5 } : undefined;
  if (against.includes('setxattr')) return pool === 'replica1' ? bar : undefined;
  return bar;
}

function figures(stage: Stage, subject: string, rounds: readonly Round[]): readonly Figure[] {
  return ROWS.map((row) => {
    const pairs = rounds.flatMap((round): Pair[] => {
      const runs = round.subjects.get(subject);
      if (runs === undefined) return [];
      const floor = row.against.startsWith('itself') ? rate(runs.one) : row.floor(round);
      return [{ value: row.value(runs), floor }];
    });
    const { what, against, unit } = row;
    return figureOf(
      { measure: 'create', pool: stage.pool, subject, what, against, unit },
      pairs,
      barOf(row, stage.pool),
    );
  });
}

export const create: PoolMeasure = {
  name: 'create',
  title: 'CreateVolume and DeleteVolume of volumes with nothing in them',
  run: async (bench, stage) => {
    const rounds = await inRounds(bench.plan.rounds, (round) => oneRound(bench, stage, round));
    return [stage.load, ...bench.peers].flatMap(({ name }) => figures(stage, name, rounds));
  },
};
