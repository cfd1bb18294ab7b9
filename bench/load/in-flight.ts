import type { Sample } from '../sample.js';

/** Works through a list with so many at a time, and takes the time of each. @throws the first failure, once all have ended */
export async function inFlight<T>(
  items: readonly T[],
  most: number,
  work: (item: T, index: number) => Promise<unknown>,
): Promise<Sample> {
  const times: number[] = [];
  const queue = items.entries();
  const lane = async (): Promise<void> => {
    for (const [index, item] of queue) {
      const since = performance.now();
      await work(item, index);
      times.push(performance.now() - since);
    }
  };
  const since = performance.now();
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(most, items.length) }, lane));
  const failed = lanes.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason as Error;
  return { times, seconds: (performance.now() - since) / 1000 };
}
