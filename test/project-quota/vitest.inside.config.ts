import { defineConfig } from 'vitest/config';

/** What runs where XFS has project quota, started by mechanism.test.ts. */
export default defineConfig({
  test: {
    pool: 'forks',
    include: ['test/project-quota/*.inside.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
