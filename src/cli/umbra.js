#!/usr/bin/env node
// The `umbra` command. Plain JavaScript, since it must run before anything can load TypeScript: it registers tsx, then
// hands over to main.ts, which answers the exit code.

import { register } from 'tsx/esm/api';

register();
const { main } = await import('./main.ts');
process.exitCode = await main(process.argv.slice(2));
