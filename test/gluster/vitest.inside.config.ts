import { defineConfig } from 'vitest/config';

/** What runs where there is GlusterFS 11, started by simple-quota.test.ts. */
export default defineConfig({
  test: {
    pool: 'forks',
    include: ['test/gluster/*.inside.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
