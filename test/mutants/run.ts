// npm run mutants -- [NAME] [--resume FILE]: how many mutants the standing scenarios kill, on all CPUs. One line of JSON
// for each, and one in the end.
//
// Production comes first, with small budgets, for what it reaches in each scenario; and last, with the largest budget, in
// the scenarios that have killed somebody within it. A mutant whose process fails counts as alive. What a FILE has of an
// earlier run over the same sources is not run again.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Answer, type Kill, LARGEST, type Reached, type Request } from './kill.ts';
import type { Mutant } from './mutant.ts';
import { MUTANTS } from './mutants.ts';
import { functionOf } from './reach.ts';

/** CPU seconds that a process may take. */
const LIMIT = 600;

const SMALL = [...Array(LARGEST).keys()];

/** A line of the output. */
interface Line extends Partial<Kill> {
  readonly mutant: string;
  readonly verdict: 'killed' | 'alive' | 'equivalent' | 'error';
  readonly error?: string;
  /** Of the sources and the mutant. */
  readonly key: string;
}

const print = (line: object): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);

/** On a terminal alone. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** What a process of its own answers. */
function ask(request: Request): Promise<Answer> {
  const entry = fileURLToPath(new URL('./kill.ts', import.meta.url));
  const command = [process.execPath, ...process.execArgv, entry, JSON.stringify(request)];
  const child = spawn('sh', ['-c', `ulimit -t ${LIMIT}; exec "$@"`, 'sh', ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (status, signal) => {
      if (status === 0) resolve(JSON.parse(output) as Answer);
      else reject(new Error(`the process ended with ${signal ?? status}`));
    });
  });
}

/** The scenarios in which production came through what the mutant changes. */
function thatReach({ edits }: Mutant, reached: Reached): string[] {
  const changed = edits.map(functionOf);
  return Object.keys(reached).filter((name) => changed.some((each) => reached[name]!.includes(each)));
}

/** Who is said to be equivalent gets the small budgets, so that a wrong argument has a chance to be seen. */
async function run(index: number, key: string, reached: Reached): Promise<Line> {
  const mutant = MUTANTS[index]!;
  const { name, equivalent } = mutant;
  const budgets = equivalent === undefined ? [...SMALL, LARGEST] : SMALL;
  try {
    const { kill } = await ask({ mutant: index, budgets, scenarios: thatReach(mutant, reached) });
    if (kill !== null) return { mutant: name, verdict: 'killed', ...kill, key };
    return { mutant: name, verdict: equivalent === undefined ? 'alive' : 'equivalent', key };
  } catch (error) {
    return { mutant: name, verdict: 'error', error: (error as Error).message, key };
  }
}

/** As many at a time as there are CPUs. */
async function runAll(only: string, { version, reached }: Answer, known: readonly Line[]): Promise<Line[]> {
  const lines: Line[] = [];
  const left = [...MUTANTS.entries()].filter(([, { name }]) => name.includes(only));
  const count = left.length;
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [index, mutant] = next;
      showProgress(`${lines.length}/${count} ${mutant.name}`);
      const key = keyOf(version, mutant);
      const before = known.find((line) => line.key === key);
      const line = before ?? (await run(index, key, reached));
      lines.push(line);
      if (before === undefined) print(line);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  showProgress('');
  return lines;
}

const keyOf = (version: string, mutant: Mutant): string =>
  createHash('sha256')
    .update(version + JSON.stringify(mutant))
    .digest('hex')
    .slice(0, 16);

/** The lines of an earlier run; the last may be incomplete. */
const linesOf = (path: string): Line[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((text) => text.startsWith('{"mutant"') && text.endsWith('}'))
    .map((text) => JSON.parse(text) as Line);

/** The rate is of those that are not equivalent; who was said to be and was killed is not. */
function summary(lines: readonly Line[], version: string): { readonly rate: number } {
  const of = (verdict: Line['verdict']): string[] =>
    lines.filter((line) => line.verdict === verdict).map(({ mutant }) => mutant);
  const [killed, alive, equivalent, errors] = (['killed', 'alive', 'equivalent', 'error'] as const).map(of);
  const rate = Number((killed!.length / (lines.length - equivalent!.length)).toFixed(3));
  const counts = { killed: killed!.length, alive: alive!.length, equivalent: equivalent!.length };
  return {
    ...{ name: 'mutants', count: lines.length, ...counts, errors },
    rate,
    ...{ survivors: alive, version },
  };
}

/** What production fails of what kills: 0 of them, or the kills mean nothing. */
async function control(lines: readonly Line[]): Promise<Kill | null> {
  const scenarios = lines.flatMap(({ scenario, budget }) => (budget === LARGEST ? [scenario!] : []));
  if (scenarios.length === 0) return null;
  return (await ask({ mutant: null, budgets: [LARGEST], scenarios })).kill;
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { resume: { type: 'string' } },
});
showProgress('production');
const known = values.resume === undefined ? [] : linesOf(values.resume);
const production = await ask({ mutant: null, budgets: SMALL, scenarios: null });
const lines = production.kill === null ? await runAll(positionals[0] ?? '', production, known) : [];
const broken = production.kill ?? (await control(lines));
if (broken !== null) print({ name: 'production', ...broken });
const result = summary(lines, production.version);
print(result);
process.exitCode = broken === null && result.rate >= 0.9 ? 0 : 1;
