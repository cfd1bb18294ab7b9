import { defineConfig } from 'vitest/config';

/** Tests on real GlusterFS, one file at a time; `npm test` runs three files at once, each in a mount namespace of its own. */
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
