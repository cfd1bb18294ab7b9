import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    pool: 'forks',
    include: ['src/**/*.test.ts', 'test/{lib,runner,sanity}/**/*.test.ts', 'bench/**/*.test.ts'],
    testTimeout: 20_000,
  },
});
