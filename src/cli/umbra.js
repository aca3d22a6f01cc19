#!/usr/bin/env node
// The `umbra` command. Plain JavaScript, since it must run before anything can load TypeScript: main.ts comes from the
// start cache, or by way of tsx where there is none yet; it answers the exit code.

import { cachedMain } from './startCache.js';

const { module, finish } = cachedMain(process.argv[2]);
if (module === null) (await import('tsx/esm/api')).register();
const { main } = module ?? (await import('./main.ts'));
const code = await main(process.argv.slice(2));
// Output that could not be written meanwhile has set it (main.ts).
process.exitCode ||= code;
finish(process.exitCode);
