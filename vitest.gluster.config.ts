import { defineConfig } from 'vitest/config';

/** Tests on real GlusterFS: as root, with dist/ built. One file at a time, as all of them load the same disk. */
export default defineConfig({
  test: {
    pool: 'forks',
    include: ['test/gluster/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
  },
});
