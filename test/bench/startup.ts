// What a user waits for before anything happens: `umbra run` of the hello guest by the launcher, the second run and later
// ones, beside a tsx script that does nothing.

import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { LAUNCHER, timed } from './engines.ts';
import { median } from './measure.ts';

export interface StartUp {
  /** Seconds: the first run may have to compile what later ones find. */
  readonly first: number;
  readonly hello: number;
  readonly emptyScript: number;
}

const HELLO = join(import.meta.dirname, '../../guests/hello.s');

export function measureStartUp(repeats: number, folder: string): StartUp {
  const script = join(folder, 'empty.ts');
  writeFileSync(script, '');
  const tsx = join(dirname(createRequire(import.meta.url).resolve('tsx/package.json')), 'dist/cli.mjs');
  const hello = (): number => timed(process.execPath, [LAUNCHER, 'run', HELLO]).seconds;
  const empty = (): number => timed(process.execPath, [tsx, script]).seconds;
  const first = hello();
  empty();
  const runs = Array.from({ length: repeats }, () => ({ hello: hello(), empty: empty() }));
  return {
    first,
    hello: median(runs.map((run) => run.hello)),
    emptyScript: median(runs.map((run) => run.empty)),
  };
}
