// Loads src/ natively through tsx: vitest's own transform turns imports into getters, which makes hot loops ten
// times slower.
import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

const src = resolve(import.meta.dirname, '../src');

/** Tests of processes: each file has a folder of its own for as long as it lasts. */
const PROCESSES = ['test/cli/**/*.test.ts', 'test/library/**/*.test.ts', 'examples/**/*.test.ts'];

export default defineConfig({
  // As the package's exports have them (tsconfig.json has the same for tsx and the compiler).
  resolve: { alias: { 'umbra/vitest': `${src}/matchers.ts`, umbra: `${src}/index.ts` } },
  test: {
    pool: 'forks',
    // By default vitest leaves a core for itself, which of two is half.
    maxWorkers: '100%',
    execArgv: ['--import', 'tsx'],
    server: { deps: { external: [/\/src\//] } },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Loading the sources anew for each file would take as long as a fifth of the tests.
    projects: [
      { extends: true, test: { name: 'processes', include: PROCESSES } },
      {
        extends: true,
        test: { name: 'sources', include: ['test/**/*.test.ts'], exclude: PROCESSES, isolate: false },
      },
    ],
  },
});
