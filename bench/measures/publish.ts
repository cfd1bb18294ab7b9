import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { figureOf, type Bar, type Figure } from '../figure.js';
import type { VolumeLoad } from '../load/volumes.js';
import { p50, p99, rate, type Sample } from '../sample.js';
import type { Stage } from '../stage/stage.js';
import { inRounds, numbered, type Bench, type PoolMeasure } from './measure.js';

const MANY = 32;

interface Runs {
  readonly mount: Sample;
  readonly unmount: Sample;
}

interface Round {
  readonly syscall: Runs;
  readonly spawned: Runs;
  readonly subjects: ReadonlyMap<string, Runs & { readonly many: Sample }>;
}

async function mounts(bench: Bench, stage: Stage, prefix: '' | 'spawned', round: number): Promise<Runs> {
  const root = join(stage.directory, `mounts-${prefix}${round}`);
  await mkdir(root);
  const source = await stage.floorRoot('source', stage.clientRoot);
  const names = numbered('m', bench.plan.publishes);
  const [bind, unbind] = prefix === '' ? ['bind', 'unbind'] : ['spawnedBind', 'spawnedUnbind'];
  const mount = await bench.floor.run(bind ?? '', names, 1, { root, source });
  const unmount = await bench.floor.run(unbind ?? '', names, 1, { root });
  await rm(root, { recursive: true });
  return { mount, unmount };
}

async function publishes({ plan }: Bench, load: VolumeLoad, round: number): Promise<Runs & { readonly many: Sample }> {
  const names = numbered(`p${round}`, plan.publishes);
  await load.create(names, 8);
  await load.prepareTargets(names);
  const mount = await load.publish(names, 1);
  const unmount = await load.unpublish(names, 1);
  await load.unstage(names);
  const many = await load.publish(names, MANY);
  await load.unpublish(names, MANY);
  await load.unstage(names);
  await load.delete(names, 8);
  return { mount, unmount, many };
}

const SYSCALL: Bar = { kind: 'at most', times: 1.5, plus: 1 };
const SPAWNED: Bar = { kind: 'at most', times: 1 };

function figures(stage: Stage, subject: string, rounds: readonly Round[]): readonly Figure[] {
  const named = (what: string, against: string) =>
    ({ measure: 'publish', pool: stage.pool, subject, what, against, unit: 'ms' }) as const;
  const of = (floor: 'syscall' | 'spawned', call: keyof Runs, figure: (sample: Sample) => number) =>
    rounds.flatMap((round) => {
      const runs = round.subjects.get(subject);
      return runs === undefined ? [] : [{ value: figure(runs[call]), floor: figure(round[floor][call]) }];
    });
  const many = rounds.flatMap(({ subjects }) => {
    const runs = subjects.get(subject);
    return runs === undefined ? [] : [{ value: rate(runs.many), floor: rate(runs.mount) }];
  });
  const MOUNT = 'NodeStage + NodePublish';
  const UNMOUNT = 'NodeUnpublish';
  return [
    figureOf(named(`${MOUNT} p50`, 'mkdir, mount(2)'), of('syscall', 'mount', p50), SYSCALL),
    figureOf(named(`${MOUNT} p99`, 'mkdir, mount(2)'), of('syscall', 'mount', p99)),
    figureOf(named(`${MOUNT} p50`, 'mkdir, mount(8)'), of('spawned', 'mount', p50), SPAWNED),
    figureOf(named(`${UNMOUNT} p50`, 'umount2(2), rmdir'), of('syscall', 'unmount', p50), SYSCALL),
    figureOf(named(`${UNMOUNT} p99`, 'umount2(2), rmdir'), of('syscall', 'unmount', p99)),
    figureOf(named(`${UNMOUNT} p50`, 'umount(8), rmdir'), of('spawned', 'unmount', p50), SPAWNED),
    figureOf({ ...named(`${MOUNT}, 32 in flight`, 'itself, 1 in flight'), unit: 'per s' }, many),
  ];
}

async function oneRound(bench: Bench, stage: Stage, round: number): Promise<Round> {
  const syscall = await mounts(bench, stage, '', round);
  const spawned = await mounts(bench, stage, 'spawned', round);
  const subjects = new Map<string, Runs & { readonly many: Sample }>();
  for (const load of [stage.load, ...bench.peers]) subjects.set(load.name, await publishes(bench, load, round));
  await stage.settled();
  return { syscall, spawned, subjects };
}

export const publish: PoolMeasure = {
  name: 'publish',
  title: 'NodeStageVolume + NodePublishVolume, NodeUnpublishVolume',
  run: async (bench, stage) => {
    const rounds = await inRounds(bench.plan.rounds, (round) => oneRound(bench, stage, round));
    return [stage.load, ...bench.peers].flatMap(({ name }) => figures(stage, name, rounds));
  },
};
