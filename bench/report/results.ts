import { readFile, writeFile } from 'node:fs/promises';
import * as v from 'valibot';
import { isErrno } from '../../src/base/errors.js';
import { keyOf, type Figure } from '../figure.js';
import type { Machine } from './machine.js';

const text = v.string();
const spread = v.object({ min: v.number(), median: v.number(), max: v.number() });
const bar = v.variant('kind', [
  v.object({ kind: v.literal('at most'), times: v.number(), plus: v.optional(v.number()) }),
  v.object({ kind: v.literal('at least'), times: v.number() }),
  v.object({ kind: v.literal('below'), most: v.number() }),
]);
const figure = v.object({
  measure: text,
  pool: text,
  subject: text,
  what: text,
  against: text,
  unit: v.picklist(['ms', 'per s', 's', 'MiB', 'MB/s']),
  value: v.number(),
  floor: v.number(),
  ratio: spread,
  rounds: v.number(),
  bar: v.optional(bar),
  isMet: v.optional(v.boolean()),
});
const results = v.object({
  machine: v.object({
    date: text,
    cpu: text,
    cpus: v.number(),
    memoryGiB: v.number(),
    kernel: text,
    node: text,
    gluster: text,
  }),
  figures: v.array(figure),
});

/** What one run, or several on the same machine, came to. */
export interface Results {
  readonly machine: Machine;
  readonly figures: readonly Figure[];
}

/** @returns undefined when there is no such file. @throws Error when it is none of this program's */
export async function readResults(file: string): Promise<Results | undefined> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  const parsed = v.safeParse(results, JSON.parse(content));
  if (parsed.success) return parsed.output as Results;
  throw new Error(`${file} holds no results of this program: ${v.getDotPath(parsed.issues[0]) ?? ''}`);
}

const rounded = (value: number): number => Number(value.toPrecision(4));

function withoutNoise(given: Figure): Figure {
  const { min, median, max } = given.ratio;
  return {
    ...given,
    value: rounded(given.value),
    floor: rounded(given.floor),
    ratio: { min: rounded(min), median: rounded(median), max: rounded(max) },
  };
}

export async function writeResults(file: string, { machine, figures }: Results): Promise<void> {
  await writeFile(file, `${JSON.stringify({ machine, figures: figures.map(withoutNoise) }, undefined, 2)}\n`);
}

/** Figures of measures that were not run this time stay; those of measures that were are replaced as a whole, pool by pool. */
export function mergeFigures(earlier: readonly Figure[], now: readonly Figure[]): readonly Figure[] {
  const measured = new Set(now.map(({ measure, pool }) => `${measure} | ${pool}`));
  const keys = new Set(now.map(keyOf));
  const kept = earlier.filter((old) => !measured.has(`${old.measure} | ${old.pool}`) && !keys.has(keyOf(old)));
  return [...kept, ...now];
}
