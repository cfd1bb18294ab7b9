import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { Logger } from '../base/logger.js';
import type { PoolMounts } from '../pools/mounts.js';
import { ClientRelease } from './client-release.js';

const ignore = (): void => undefined;
const log: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => log };
const GRACE_MS = 40;

/** Pools that are attached until they are detached, and from which nothing is published: no such device exists. */
function bench() {
  const detached: string[] = [];
  const attached = new Set(['lagoon']);
  const pools = {
    current: (pool: string) =>
      attached.has(pool) ? { location: { dev: '0:0', root: '/', target: '/nowhere' } } : undefined,
    mounted: () => Promise.resolve([...attached]),
    detach: (pool: string) => {
      attached.delete(pool);
      detached.push(pool);
      return Promise.resolve();
    },
  } as unknown as PoolMounts;
  const release = new ClientRelease({
    pools,
    config: () => ({ installation: 'i', pools: [] }),
    log,
    graceMs: GRACE_MS,
  });
  releases.push(release);
  return { release, detached };
}

const releases: ClientRelease[] = [];
afterEach(() => {
  for (const release of releases.splice(0)) release.close();
});

test('a pool that nobody uses is detached after the grace', async () => {
  const { release, detached } = bench();
  await release.use('lagoon', () => Promise.resolve());
  expect(detached).toEqual([]);
  await expect.poll(() => detached).toEqual(['lagoon']);
});

test('not while work on it runs, and each work begins the grace anew', async () => {
  const { release, detached } = bench();
  const work = release.use('lagoon', () => sleep(3 * GRACE_MS));
  await release.use('lagoon', () => Promise.resolve());
  await sleep(2 * GRACE_MS);
  expect(detached).toEqual([]);
  await work;
  for (let i = 0; i < 4; i++) {
    await sleep(GRACE_MS / 2);
    await release.use('lagoon', () => Promise.resolve());
  }
  expect(detached).toEqual([]);
  await expect.poll(() => detached).toEqual(['lagoon']);
});

test('work that fails ends its use, and its failure is the caller’s', async () => {
  const { release, detached } = bench();
  await expect(release.use('lagoon', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await expect.poll(() => detached).toEqual(['lagoon']);
});

test('clients of an earlier process are looked after; a closed release does nothing', async () => {
  const first = bench();
  await first.release.adopt();
  await expect.poll(() => first.detached).toEqual(['lagoon']);
  const second = bench();
  await second.release.use('lagoon', () => Promise.resolve());
  second.release.close();
  await sleep(2 * GRACE_MS);
  expect(second.detached).toEqual([]);
});
