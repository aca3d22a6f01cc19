// What run.ts starts as a thread: a thread knows no TypeScript before tsx is registered in it.

import { register } from 'tsx/esm/api';

register();
await import('./worker.ts');
