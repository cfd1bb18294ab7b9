import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Floor } from './floor/floor.js';
import type { Figure } from './figure.js';
import { CsiSocket } from './load/csi-socket.js';
import { VolumeLoad } from './load/volumes.js';
import { copies } from './measures/copies.js';
import { create } from './measures/create.js';
import { data } from './measures/data.js';
import { memory } from './measures/memory.js';
import type { Bench, OwnMeasure, PoolMeasure } from './measures/measure.js';
import { probe } from './measures/probe.js';
import { publish } from './measures/publish.js';
import { purge } from './measures/purge.js';
import { scale } from './measures/scale.js';
import type { Peer } from './options.js';
import type { Plan } from './plan.js';
import { describe } from './report/table.js';
import type { PoolName } from './stage/pools.js';
import { Stage } from './stage/stage.js';

const ON_POOLS: readonly PoolMeasure[] = [create, publish, purge, data];
const OWN: readonly OwnMeasure[] = [probe, memory, copies, scale];

export const MEASURES: readonly (PoolMeasure | OwnMeasure)[] = [...ON_POOLS, ...OWN];

export interface RunOptions {
  readonly plan: Plan;
  /** Empty; everything that is made lies in it. */
  readonly directory: string;
  /** Names of measures. */
  readonly only: readonly string[];
  readonly pools: readonly PoolName[];
  readonly peers: readonly Peer[];
  readonly say: (text: string) => void;
}

/** Runs the measures, one at a time, pool by pool. */
export async function run({ plan, directory, only, pools, peers, say }: RunOptions): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  const floor = new Floor();
  const loads = peers.map(
    ({ name, socket, parameters }) =>
      new VolumeLoad({ name, parameters, socket: new CsiSocket(socket), directory: join(directory, `peer-${name}`) }),
  );
  await mkdir(directory, { recursive: true });
  const bench: Bench = { plan, directory, pools, floor, peers: loads, say };
  const isWanted = ({ name }: { readonly name: string }): boolean => only.length === 0 || only.includes(name);
  const take = (name: string, found: readonly Figure[], since: number): void => {
    figures.push(...found);
    for (const figure of found) say(describe(figure));
    say(`  ${name} took ${((performance.now() - since) / 1000).toFixed(0)} s`);
  };
  try {
    for (const pool of ON_POOLS.some(isWanted) ? pools : []) {
      for (const measure of ON_POOLS.filter(isWanted)) {
        const since = performance.now();
        const stage = await Stage.start({ base: directory, pool });
        try {
          take(`${measure.name} on ${pool}`, await measure.run(bench, stage), since);
        } finally {
          await stage.stop();
        }
      }
    }
    for (const measure of OWN.filter(isWanted)) {
      const since = performance.now();
      take(measure.name, await measure.run(bench), since);
    }
    return figures;
  } finally {
    for (const { socket } of loads) socket.close();
    await floor.close();
  }
}
