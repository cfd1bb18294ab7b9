import type { Floor } from '../floor/floor.js';
import type { Figure } from '../figure.js';
import type { VolumeLoad } from '../load/volumes.js';
import type { Plan } from '../plan.js';
import type { PoolName } from '../stage/pools.js';
import type { Stage } from '../stage/stage.js';

/** What every measure gets. */
export interface Bench {
  readonly plan: Plan;
  /** An empty directory for everything that is made. */
  readonly directory: string;
  readonly pools: readonly PoolName[];
  readonly floor: Floor;
  /** Other drivers that are measured, too. */
  readonly peers: readonly VolumeLoad[];
  readonly say: (text: string) => void;
}

/** A row of the table that is measured on one pool, beside others. */
export interface PoolMeasure {
  readonly name: string;
  readonly title: string;
  readonly run: (bench: Bench, stage: Stage) => Promise<readonly Figure[]>;
}

/** One that starts the drivers that it needs. */
export interface OwnMeasure {
  readonly name: string;
  readonly title: string;
  readonly run: (bench: Bench) => Promise<readonly Figure[]>;
}

/** `name-0`, `name-1`, … */
export function numbered(name: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${index}`);
}

/** Runs a round so many times. */
export async function inRounds<T>(rounds: number, round: (number: number) => Promise<T>): Promise<readonly T[]> {
  const results: T[] = [];
  for (let number = 0; number < rounds; number++) results.push(await round(number));
  return results;
}
