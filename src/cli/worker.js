// A worker process of the `umbra` command, which loads what umbra.js loads.

import { cachedMain } from './startCache.js';

const { module } = cachedMain('explore');
if (module === null) (await import('tsx/esm/api')).register();
const { work } = module ?? (await import('./main.ts'));
await work();
