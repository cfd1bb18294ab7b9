import { expect, it } from 'vitest';
import { inFlight } from './in-flight.js';

it('works on so many at a time, each once', async () => {
  const done: number[] = [];
  let [now, most] = [0, 0];
  const sample = await inFlight([1, 2, 3, 4, 5], 2, async (item) => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 1));
    now--;
    done.push(item);
  });
  expect(most).toBe(2);
  expect(done.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
  expect(sample.times).toHaveLength(5);
});

it('fails with the first failure, and leaves nothing under way', async () => {
  let ended = 0;
  const work = async (item: number): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, item));
    ended++;
    if (item === 1) throw new Error('one');
  };
  await expect(inFlight([1, 5], 2, work)).rejects.toThrow('one');
  expect(ended).toBe(2);
});
