import { defineConfig } from 'vitest/config';

/** Tests on real GlusterFS. One file at a time: they measure, and share the machine's processors and quotad's socket. */
export default defineConfig({
  test: {
    pool: 'forks',
    include: ['test/**/*.test.ts'],
    exclude: ['test/lib/**', 'test/runner/**', 'test/sanity/*.test.ts', '**/node_modules/**'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
