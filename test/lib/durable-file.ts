import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

const ROUNDS = 5;

export const median = (times: readonly number[]): number =>
  times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN;

/**
 * What the pool's own clients pay for one small file that is written aside, synced and renamed, as a record is: the measure of
 * calls that have to make a few of them. The median of some rounds, in ms.
 */
export async function durableFileMs(directory: string): Promise<number> {
  const path = join(directory, 'durable');
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const since = performance.now();
    const file = await open(`${path}.new`, 'wx');
    await file.write(Buffer.alloc(700, 'x'));
    await file.sync();
    await file.close();
    await rename(`${path}.new`, path);
    times.push(performance.now() - since);
    await rm(path);
  }
  return median(times);
}
