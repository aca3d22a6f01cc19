// npm run mutants [NAME]: how many mutants the standing scenarios kill. One line of JSON for each, and one in the end.
//
// A mutant is killed if a scenario fails that production passes, which is run first: all schedules with at most one
// pre-emption, as far as a budget goes, then POS; a small budget for every scenario before a large one for any.

import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { scenarioNames } from '../../src/exploration.ts';
import type * as Explore from '../../src/explore/index.ts';
import type { Explorer, Scenario, SearchOptions } from '../../src/explore/index.ts';
import { loadVariant, type SourceEdit } from '../../src/loader/index.ts';
import { MUTANTS } from './mutants.ts';

/** Schedules for one scenario: bounded, without and with hardware that acts on its own, and POS. */
const BUDGETS = [
  { tasks: 10, hardware: 5, pos: 10 },
  { tasks: 100, hardware: 40, pos: 40 },
  { tasks: 2500, hardware: 300, pos: 400 },
] as const;

/** Of these as much of a budget is left for a scenario whose runs move 2 MiB. */
const LARGE_SHARE = 0.02;

/** The argument of a process that runs one mutant, and the number that means production. */
const ONE = '--one';
const PRODUCTION = -1;

type Variant = typeof Explore & { readonly scenarios: readonly Scenario[] };

interface Kill {
  readonly scenario: string;
  readonly policy: SearchOptions['policy'];
  readonly schedules: number;
  readonly invariant: string;
}

/** explore/ and all standing scenarios, over production code with `edits`. */
function loadAll(edits: readonly SourceEdit[]): Promise<Variant> {
  const names = scenarioNames();
  const entry = [
    "export * from './explore/index.ts';",
    ...names.map((name, i) => `import { scenario as scenario${i} } from './scenarios/${name}.ts';`),
    `export const scenarios = [${names.map((_, i) => `scenario${i}`).join(', ')}];`,
  ];
  return loadVariant<Variant>({ entry: entry.join('\n'), edits });
}

async function kill(edits: readonly SourceEdit[]): Promise<Kill | null> {
  const variant = await loadAll(edits);
  const explorers = new Map<Scenario, Explorer>();
  for (const budget of BUDGETS) {
    for (const scenario of variant.scenarios) {
      let explorer = explorers.get(scenario);
      try {
        explorer ??= new variant.Explorer(scenario);
      } catch (error) {
        const invariant = `setup: ${(error as Error).message}`;
        return { scenario: scenario.name, policy: 'bounded', schedules: 0, invariant };
      }
      explorers.set(scenario, explorer);
      const killed = search(variant, explorer, budget);
      if (killed !== null) return killed;
    }
  }
  return null;
}

function search(variant: Variant, explorer: Explorer, budget: (typeof BUDGETS)[number]): Kill | null {
  const { name, vm } = explorer.scenario;
  const share = (vm?.ramPages ?? 0) < 512 ? 1 : LARGE_SHARE;
  const bounded = { policy: 'bounded', bound: 1, seed: 1 } as const;
  const searches: readonly SearchOptions[] = [
    { ...bounded, hardware: 0, schedules: budget.tasks },
    { ...bounded, schedules: budget.hardware },
    { policy: 'pos', bound: 0, seed: 1, schedules: budget.pos },
  ];
  for (const options of searches) {
    const made = new variant.Search(explorer, {
      ...options,
      schedules: Math.ceil(options.schedules * share),
    });
    made.step(() => false);
    const { failure, schedules } = made.state;
    if (failure?.found)
      return { scenario: name, policy: options.policy, schedules, invariant: failure.found.invariant };
  }
  return null;
}

const print = (line: object): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);

/** The result for one mutant, from a process of its own: what it loads would never go away again. */
function killApart(index: number): Promise<Kill | null> {
  const args = [...process.execArgv, process.argv[1]!, ONE, String(index)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (status) => {
      if (status === 0) resolve(JSON.parse(output) as Kill | null);
      else reject(new Error(`the run of mutant ${index} ended with ${status}`));
    });
  });
}

/** As many at a time as there are cores. */
async function killAll(only: string): Promise<void> {
  const chosen = [...MUTANTS.entries()].filter(([, { name }]) => name.includes(only));
  const left = chosen.slice();
  const survivors: string[] = [];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [index, { name, equivalent }] = next;
      const result = await killApart(index);
      if (equivalent === undefined && result === null) survivors.push(name);
      print({ mutant: name, killed: result !== null, ...result, equivalent });
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  const count = chosen.filter(([, { equivalent }]) => equivalent === undefined).length;
  const rate = (count - survivors.length) / count;
  print({
    name: 'mutants',
    count,
    killed: count - survivors.length,
    rate: Number(rate.toFixed(3)),
    survivors,
  });
  process.exitCode = rate >= 0.9 ? 0 : 1;
}

const [first, second] = process.argv.slice(2);
if (first === ONE) {
  const index = Number(second);
  process.stdout.write(JSON.stringify(await kill(index === PRODUCTION ? [] : MUTANTS[index]!.edits)));
} else {
  const broken = await killApart(PRODUCTION);
  if (broken === null) await killAll(first ?? '');
  else {
    print({ name: 'production', ...broken });
    process.exitCode = 1;
  }
}
