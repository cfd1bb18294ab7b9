import type { GetCapacityResponse__Output } from '../../src/gen/csi/v1/GetCapacityResponse.js';
import { figureOf, type Figure } from '../figure.js';
import { median } from '../sample.js';
import type { PoolName } from '../stage/pools.js';
import { seedVolumes } from '../stage/seed.js';
import { Stage } from '../stage/stage.js';
import { inRounds, numbered, type Bench, type OwnMeasure } from './measure.js';

const PAGE = 500;
const READY_MS = 10_000;

/** Medians of one opening, in ms. */
interface Size {
  readonly ready: number;
  readonly list: number;
  readonly capacity: number;
  readonly create: number;
  readonly remove: number;
}

async function taken(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now();
  await work();
  return performance.now() - since;
}

async function measureSize(stage: Stage, calls: number, round: number, count: number): Promise<Size> {
  const ready = await stage.restart();
  const { available_capacity: available } = await stage.load.socket.call<GetCapacityResponse__Output>(
    'Controller',
    'GetCapacity',
    {},
  );
  if (Number(available) <= 0) throw new Error(`with ${count} volumes GetCapacity answers ${available}`);
  const { socket } = stage.load;
  const samples = { list: [] as number[], capacity: [] as number[], create: [] as number[], remove: [] as number[] };
  // The first calls of a new process are slower than any that come later, whatever the pool holds.
  for (const [index, name] of numbered(`scale${count}-${round}`, 2 * calls).entries()) {
    const into = (key: keyof typeof samples, ms: number): void => void (index >= calls && samples[key].push(ms));
    into('create', await taken(() => stage.load.createOne(name)));
    into('list', await taken(() => socket.call('Controller', 'ListVolumes', { max_entries: PAGE })));
    into('capacity', await taken(() => socket.call('Controller', 'GetCapacity', {})));
    into('remove', await taken(() => stage.load.delete([name], 1)));
  }
  await stage.settled();
  const { list, capacity, create, remove } = samples;
  return { ready, list: median(list), capacity: median(capacity), create: median(create), remove: median(remove) };
}

async function onPool(bench: Bench, pool: PoolName): Promise<readonly Figure[]> {
  const counts = bench.plan.scale[pool === 'directory' ? 'directory' : 'managed'];
  const stage = await Stage.start({ base: bench.directory, pool });
  const sizes = new Map<number, readonly Size[]>();
  try {
    let there = 0;
    for (const count of counts) {
      await seedVolumes(bench.floor, stage.clientRoot, there, count - there);
      there = count;
      bench.say(`  ${pool}: ${count} volumes`);
      sizes.set(
        count,
        await inRounds(Math.min(3, bench.plan.rounds), (round) => measureSize(stage, bench.plan.calls, round, count)),
      );
    }
  } finally {
    await stage.stop();
  }
  return figures(pool, counts, sizes);
}

function figures(
  pool: PoolName,
  counts: readonly number[],
  sizes: ReadonlyMap<number, readonly Size[]>,
): readonly Figure[] {
  const [least = 0] = counts;
  const base = sizes.get(least) ?? [];
  return counts.flatMap((count) =>
    (['ready', 'list', 'capacity', 'create', 'remove'] as const).map((key) => {
      const pairs = (sizes.get(count) ?? []).map((size, round) => ({
        value: size[key],
        floor: base[round]?.[key] ?? Number.NaN,
      }));
      const name = { measure: 'scale', pool, subject: 'kayal', against: `${least} volumes`, unit: 'ms' } as const;
      if (key === 'ready') {
        return figureOf({ ...name, what: `start until ready, ${count} volumes` }, pairs, {
          kind: 'below',
          most: READY_MS,
        });
      }
      const what = {
        list: `ListVolumes, page of ${PAGE}, after a change`,
        capacity: 'GetCapacity',
        create: 'CreateVolume',
        remove: 'DeleteVolume',
      }[key];
      const bar = count === least ? undefined : ({ kind: 'at most', times: 1.2 } as const);
      return figureOf({ ...name, what: `${what} p50, ${count} volumes` }, pairs, bar);
    }),
  );
}

export const scale: OwnMeasure = {
  name: 'scale',
  title: 'many volumes in a pool',
  run: async (bench) => {
    const all: Figure[] = [];
    for (const pool of bench.pools) if (pool !== 'replica3') all.push(...(await onPool(bench, pool)));
    return all;
  },
};
