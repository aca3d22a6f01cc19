// Loads src/ natively through tsx: vitest's own transform turns imports into getters, which makes hot loops ten
// times slower.
import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

const src = resolve(import.meta.dirname, '../src');

export default defineConfig({
  // As the package's exports have them (tsconfig.json has the same for tsx and the compiler).
  resolve: { alias: { 'umbra/vitest': `${src}/matchers.ts`, umbra: `${src}/index.ts` } },
  test: {
    include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
    pool: 'forks',
    // By default vitest leaves a core for itself, which of two is half.
    maxWorkers: '100%',
    execArgv: ['--import', 'tsx'],
    server: { deps: { external: [/\/src\//] } },
    testTimeout: 120_000,
  },
});
