import { describe, expect, test, vi } from 'vitest';
import type { Logger } from '../base/logger.js';
import type { Tree, UsageCount } from '../linux/tree.js';
import { UsageCounts } from './usage-counts.js';

const warn = vi.fn<Logger['warn']>();
const ignore = (): void => undefined;
const log: Logger = { debug: ignore, info: ignore, warn, error: ignore, child: () => log };
type Count = (from: UsageCount | undefined) => Promise<UsageCount>;

/** A tree of which only countUsage is used; each call of `count` is one slice. */
function treeOf(count: Count): Tree {
  return {
    countUsage: (_path: string, _budget: object, from?: UsageCount) => count(from),
  } as unknown as Tree;
}

const slice = (bytes: bigint, done: boolean): UsageCount => ({ bytes, inodes: bytes / 10n, done }) as UsageCount;

describe('UsageCounts', () => {
  test('adds up slices until it is done, and answers from memory while that is fresh', async () => {
    let now = 1_000_000;
    const count = vi.fn<Count>((from) => {
      now += 500;
      return Promise.resolve(slice((from?.bytes ?? 0n) + 100n, from !== undefined));
    });
    const counts = new UsageCounts({ log, now: () => now });
    const volume = { pool: 'p', handle: 'p/a', tree: treeOf(count), path: 'a' };
    expect(await counts.get(volume, 1_000)).toEqual({ bytes: 200n, inodes: 20n, countedAt: 1_001_000, tookMs: 1_000 });
    now += 60_000;
    await counts.get(volume, 1_000);
    expect(count).toHaveBeenCalledTimes(2);
    now += 1;
    expect((await counts.get(volume, 1_000))?.countedAt).toBe(1_001_000);
    await vi.waitFor(async () => expect((await counts.get(volume, 0))?.countedAt).toBeGreaterThan(1_001_000));
    expect(count).toHaveBeenCalledTimes(4);
  });

  test('what took long is counted less often', async () => {
    let now = 0;
    const count = vi.fn<Count>(() => {
      now += 30_000;
      return Promise.resolve(slice(100n, true));
    });
    const counts = new UsageCounts({ log, now: () => now });
    const volume = { pool: 'p', handle: 'p/a', tree: treeOf(count), path: 'a' };
    await counts.get(volume, 1_000);
    now += 599_000;
    await counts.get(volume, 1_000);
    expect(count).toHaveBeenCalledTimes(1);
  });

  test('a first count that takes its time is not waited for beyond the patience', async () => {
    let finish: (count: UsageCount) => void = () => undefined;
    const tree = treeOf(() => new Promise((resolve) => (finish = resolve)));
    const counts = new UsageCounts({ log });
    const volume = { pool: 'p', handle: 'p/a', tree, path: 'a' };
    expect(await counts.get(volume, 5)).toBeUndefined();
    finish(slice(50n, true));
    expect((await counts.get(volume, 1_000))?.bytes).toBe(50n);
  });

  test('one walk per pool at a time, several pools side by side', async () => {
    const running: string[] = [];
    const finish: (() => void)[] = [];
    const treeNamed = (name: string): Tree =>
      treeOf(
        () =>
          new Promise((resolve) => {
            running.push(name);
            finish.push(() => resolve(slice(1n, true)));
          }),
      );
    const counts = new UsageCounts({ log });
    const asked = [
      counts.get({ pool: 'p', handle: 'p/a', tree: treeNamed('p/a'), path: 'a' }, 1_000),
      counts.get({ pool: 'p', handle: 'p/b', tree: treeNamed('p/b'), path: 'b' }, 1_000),
      counts.get({ pool: 'q', handle: 'q/a', tree: treeNamed('q/a'), path: 'a' }, 1_000),
    ];
    await vi.waitFor(() => expect(running).toEqual(['p/a', 'q/a']));
    for (const end of finish.splice(0)) end();
    await vi.waitFor(() => expect(running).toEqual(['p/a', 'q/a', 'p/b']));
    for (const end of finish.splice(0)) end();
    await Promise.all(asked);
  });

  test('a walk that fails is logged and tried again when next asked', async () => {
    const count = vi.fn<Count>().mockRejectedValueOnce(new Error('ENOTCONN')).mockResolvedValueOnce(slice(7n, true));
    const counts = new UsageCounts({ log });
    const volume = { pool: 'p', handle: 'p/a', tree: treeOf(count), path: 'a' };
    expect(await counts.get(volume, 1_000)).toBeUndefined();
    expect(warn).toHaveBeenCalledWith({ volume: 'p/a', error: 'ENOTCONN' }, expect.any(String));
    expect((await counts.get(volume, 1_000))?.bytes).toBe(7n);
  });
});
