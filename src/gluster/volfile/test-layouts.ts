import type { BrickGroup, PoolLayout } from './layout.js';

/** `count` bricks on ports from 24100 on. */
export function testGroup(kind: BrickGroup['kind'], count: number, first = 0): BrickGroup {
  return {
    kind,
    ...(kind === 'disperse' ? { redundancy: 2 } : {}),
    bricks: Array.from({ length: count }, (_, index) => ({
      host: '127.0.0.1',
      port: 24_100 + first + index,
      path: `/bricks/b${first + index}`,
    })),
  };
}

/** A pool called p, for unit tests. */
export function testLayout(groups: readonly BrickGroup[], change: Partial<PoolLayout> = {}): PoolLayout {
  return {
    pool: 'p',
    volumeId: '8a3f0e5a-9f0e-4c5c-9a59-111111111111',
    groups,
    credentials: { username: 'user', password: 'secret' },
    quota: 'none',
    quotaTimeouts: { soft: 0, hard: 0 },
    writeBehind: true,
    metadataCache: true,
    bindAddress: '127.0.0.1',
    ...change,
  };
}
