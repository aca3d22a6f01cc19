// Loads src/ natively through tsx: vitest's own transform turns imports into getters, which makes hot loops ten
// times slower.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // By default vitest leaves a core for itself, which of two is half.
    maxWorkers: '100%',
    execArgv: ['--import', 'tsx'],
    server: { deps: { external: [/\/src\//] } },
    testTimeout: 120_000,
  },
});
