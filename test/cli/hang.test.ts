// What loops without a yield gives control to nobody, and Ctrl-C ends it all the same, with a line that says where it stood.

import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ended, FOLDER, ROOT, start } from './umbra.ts';

const FILE = join(FOLDER, 'hang.ts');
writeFileSync(
  FILE,
  `import { at, points } from 'umbra';
   import { writeSync } from 'node:fs';
   let turns = 0;
   export const scenario = { name: 'hang', about: 'a task that loops in one order alone', tasks: () => {
     turns = 0;
     return {
       *reader() {
         if (points.on) yield at.lru(1);
         const before = turns;
         if (points.on) yield at.lru(1);
         if (turns !== before) writeSync(2, 'looping\\n');
         while (turns !== before);
       },
       *writer() { if (points.on) yield at.lru(1); turns++; },
     };
   } };`,
);

/** All that the child says on standard error, when it has said `text`. */
const heard = (child: ChildProcessWithoutNullStreams, text: string): Promise<{ readonly said: string }> =>
  new Promise((resolve) => {
    const all = { said: '' };
    child.stdout.resume();
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      all.said += part;
      if (all.said.includes(text)) resolve(all);
    });
  });

/** Longer than work takes of which nothing is said when it is broken off, ms. */
const A_WHILE = 600;

it.concurrent.each([
  ['explore', []],
  ['explore', ['--jobs', '2']],
  ['replay', ['reader:2>writer']],
])('%s %j', async (verb, args) => {
  const child = start(verb, FILE, ...args);
  const code = ended(child);
  const all = await heard(child, 'looping\n');
  await setTimeout(A_WHILE);
  process.kill(-child.pid!, 'SIGINT');
  expect(await code).toBe(130);
  const said = all.said.replaceAll('looping\n', '');
  expect(said).toMatch(
    /^umbra: \S+: broken off in [^\n]*: task reader, behind the yield at [^\n]*hang\.ts:\d+; umbra replay \S+ 'reader:2>writer' --build \d+\n/,
  );
  if (verb === 'explore') expect(said).toMatch(/incomplete: nothing found in [^\n]*\n$/);
});

it('is told of by a thread that watches', async () => {
  const source = `import { Watch } from ${JSON.stringify(join(ROOT, 'src/platform/watch.ts'))};
    const watch = new Watch('long\\n', 20); watch.begin(); watch.end(); watch.begin(); for (;;);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', source], {
    cwd: ROOT,
  });
  expect(await heard(child, '\n')).toEqual({ said: 'long\n' });
  child.kill('SIGKILL');
});
