import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CreateSnapshotResponse__Output } from '../../src/gen/csi/v1/CreateSnapshotResponse.js';
import { mustRun } from '../../test/lib/run-command.js';
import { removeDirectory } from '../../test/lib/run-directory.js';
import { figureOf, type Figure } from '../figure.js';
import { Stage } from '../stage/stage.js';
import { inRounds, numbered, type Bench, type OwnMeasure } from './measure.js';

/** Room for what all copies are promised; sparse. */
const DISK_MIB = 24 * 1024;
const MOST_ROUNDS = 3;
const DIRECTORIES = 20;
const SMALL_BYTES = 1024;

async function ms(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now();
  await work();
  return performance.now() - since;
}

async function snapshot(stage: Stage, name: string, source: string): Promise<void> {
  const { snapshot: made } = await stage.load.socket.call<CreateSnapshotResponse__Output>(
    'Controller',
    'CreateSnapshot',
    { name, source_volume_id: stage.load.volume(source).id },
  );
  if (made === null) throw new Error(`CreateSnapshot ${name} answered nothing`);
  await stage.load.socket.call('Controller', 'DeleteSnapshot', { snapshot_id: made.snapshot_id });
}

/** A volume whose content is a copy, made and deleted again. @returns ms until it was there */
async function clone(stage: Stage, name: string, source: string, sizeMiB: number): Promise<number> {
  const content = { volume: { volume_id: stage.load.volume(source).id } };
  const taken = await ms(() => stage.load.createOne(name, sizeMiB, content));
  await stage.load.delete([name], 1);
  await stage.settled();
  return taken;
}

async function published(stage: Stage, name: string, sizeMiB: number): Promise<string> {
  await stage.load.createOne(name, sizeMiB);
  await stage.load.prepareTargets([name]);
  await stage.load.publishOne(name);
  return stage.load.target(name);
}

async function withdraw(stage: Stage, name: string): Promise<void> {
  await stage.load.unpublish([name], 1);
  await stage.load.unstage([name]);
}

/** One large file. */
async function large({ plan }: Bench, stage: Stage): Promise<readonly Figure[]> {
  const size = plan.copyMiB;
  const room = size + 64;
  const path = await published(stage, 'large', room);
  const file = join(path, 'file');
  await mustRun('dd', ['if=/dev/urandom', `of=${file}`, 'bs=1M', `count=${size}`, 'conv=fsync', 'status=none'], {
    timeoutMs: 300_000,
  });
  const onBrick = join(stage.place.bricks[0] ?? '', stage.load.volume('large').context['path'] ?? '', 'file');
  // Beside the brick: it is none of GlusterFS' files.
  const aside = join(stage.place.disks[0]?.path ?? '', 'reflink');
  const bare = join(stage.clientRoot, 'floor-copy');
  const copied = await ms(() => mustRun('cp', ['-a', '--', file, bare], { timeoutMs: 600_000 }));
  await rm(bare);
  const rounds = await inRounds(plan.rounds, async (round) => {
    const reflink = await ms(() => mustRun('cp', ['--reflink=always', '--', onBrick, aside]));
    await rm(aside);
    return {
      reflink,
      snapshot: await ms(() => snapshot(stage, `ls${round}`, 'large')),
      clone: await clone(stage, `lc${round}`, 'large', room),
    };
  });
  await withdraw(stage, 'large');
  await stage.load.delete(['large'], 1);
  await stage.settled();
  const named = (what: string, against: string) =>
    ({
      measure: 'copies',
      pool: stage.pool,
      subject: 'kayal',
      what: `${what} of ${size} MiB`,
      against,
      unit: 'ms',
    }) as const;
  const limit = { kind: 'below', most: 100 } as const;
  return (['snapshot', 'clone'] as const).flatMap((what) => [
    figureOf(
      named(what, 'cp --reflink on a brick'),
      rounds.map((round) => ({ value: round[what], floor: round.reflink })),
      limit,
    ),
    figureOf(
      named(what, 'cp -a on the mount'),
      rounds.map((round) => ({ value: round[what], floor: copied })),
    ),
  ]);
}

/** Many small files. */
async function small({ plan, floor }: Bench, stage: Stage): Promise<readonly Figure[]> {
  const path = await published(stage, 'small', 128);
  const files = Math.ceil(plan.smallFiles / DIRECTORIES);
  await floor.run('smallFiles', numbered('d', DIRECTORIES), 4, { root: path, files, bytes: SMALL_BYTES });
  const rounds = await inRounds(Math.min(plan.rounds, MOST_ROUNDS), async (round) => {
    const bare = join(stage.clientRoot, 'floor-small');
    const copied = await ms(() => mustRun('cp', ['-a', '--', path, bare], { timeoutMs: 600_000 }));
    await removeDirectory(bare);
    return { floor: copied, value: await clone(stage, `sc${round}`, 'small', 128) };
  });
  await withdraw(stage, 'small');
  await stage.load.delete(['small'], 1);
  await stage.settled();
  const what = `clone of ${plan.smallFiles} small files`;
  const name = { measure: 'copies', pool: stage.pool, subject: 'kayal', what, unit: 'ms' } as const;
  return [figureOf({ ...name, against: 'cp -a on the mount' }, rounds, { kind: 'at most', times: 0.2 })];
}

export const copies: OwnMeasure = {
  name: 'copies',
  title: 'snapshots and clones, on bricks that can share blocks (XFS), without limits',
  run: async (bench) => {
    const figures: Figure[] = [];
    for (const pool of bench.pools) {
      if (pool === 'directory') continue;
      const stage = await Stage.start({ base: bench.directory, pool, quota: 'none', xfsMiB: DISK_MIB });
      try {
        figures.push(...(await large(bench, stage)), ...(await small(bench, stage)));
      } finally {
        await stage.stop();
      }
    }
    return figures;
  },
};
