// npm run mutants [NAME]: how many mutants the standing scenarios kill. One line of JSON for each, and one in the end.
//
// A mutant is killed if a scenario fails that production passes, which is run first: all schedules with at most one
// pre-emption, as far as a budget goes, then POS; a small budget for every scenario before a large one for any. Those
// come first that production came through the mutant's function in, and they alone have the largest budget.

import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { scenarioNames } from '../../src/exploration.ts';
import type * as Explore from '../../src/explore/index.ts';
import type { Explorer, Scenario, SearchOptions } from '../../src/explore/index.ts';
import { loadVariant, type SourceEdit } from '../../src/loader/index.ts';
import type { Mutant } from './mutant.ts';
import { MUTANTS } from './mutants.ts';
import { Calls, functionOf } from './reach.ts';

/** Schedules for one scenario: bounded, without and with hardware that acts on its own, and POS. */
const BUDGETS = [
  { tasks: 10, hardware: 5, pos: 10 },
  { tasks: 100, hardware: 40, pos: 40 },
  { tasks: 2500, hardware: 300, pos: 1000 },
] as const;

const LARGEST = BUDGETS[2];

/** Of these as much of a budget is left for a scenario whose runs move 2 MiB. */
const LARGE_SHARE = 0.02;

/** The argument of a process that runs one mutant, and the number that means production. */
const ONE = '--one';
const PRODUCTION = -1;

/** Of each scenario the functions that production came through. */
type Reached = Readonly<Record<string, readonly string[]>>;

/** What a process of its own answers. */
interface Result {
  readonly kill: Kill | null;
  /** Of production. */
  readonly reached: Reached;
}

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

async function kill(edits: readonly SourceEdit[], first: ReadonlySet<string>): Promise<Result> {
  const variant = await loadAll(edits);
  const isProduction = edits.length === 0;
  const calls = isProduction ? new Calls() : null;
  await calls?.start();
  const reached: Record<string, string[]> = {};
  const explorers = new Map<Scenario, Explorer>();
  const scenarios = variant.scenarios.toSorted(
    (a, b) => Number(first.has(b.name)) - Number(first.has(a.name)),
  );
  for (const budget of BUDGETS) {
    for (const scenario of scenarios) {
      const { name } = scenario;
      if (budget === LARGEST && !isProduction && !first.has(name)) continue;
      let explorer = explorers.get(scenario);
      try {
        explorer ??= new variant.Explorer(scenario);
      } catch (error) {
        const invariant = `setup: ${(error as Error).message}`;
        return { kill: { scenario: name, policy: 'bounded', schedules: 0, invariant }, reached };
      }
      explorers.set(scenario, explorer);
      const killed = search(variant, explorer, budget);
      if (killed !== null) return { kill: killed, reached };
      if (calls !== null) reached[name] = [...(reached[name] ?? []), ...(await calls.takeReached())];
    }
  }
  return { kill: null, reached };
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
function killApart(index: number, first: readonly string[]): Promise<Result> {
  const args = [...process.execArgv, process.argv[1]!, ONE, String(index), first.join()];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (status) => {
      if (status === 0) resolve(JSON.parse(output) as Result);
      else reject(new Error(`the run of mutant ${index} ended with ${status}`));
    });
  });
}

/** The scenarios in which production came through what the mutant changes. */
function thatReach({ edits }: Mutant, reached: Reached): string[] {
  const changed = edits.map(functionOf);
  return Object.keys(reached).filter((name) => changed.some((each) => reached[name]!.includes(each)));
}

/** As many at a time as there are cores. */
async function killAll(only: string, reached: Reached): Promise<void> {
  const chosen = [...MUTANTS.entries()].filter(([, { name }]) => name.includes(only));
  const left = chosen.slice();
  const survivors: string[] = [];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [index, mutant] = next;
      const { name, equivalent } = mutant;
      const { kill } = await killApart(index, thatReach(mutant, reached));
      if (equivalent === undefined && kill === null) survivors.push(name);
      print({ mutant: name, killed: kill !== null, ...kill, equivalent });
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

const [first, second, third = ''] = process.argv.slice(2);
if (first === ONE) {
  const index = Number(second);
  const edits = index === PRODUCTION ? [] : MUTANTS[index]!.edits;
  process.stdout.write(JSON.stringify(await kill(edits, new Set(third.split(',')))));
} else {
  const { kill: broken, reached } = await killApart(PRODUCTION, []);
  if (broken === null) await killAll(first ?? '', reached);
  else {
    print({ name: 'production', ...broken });
    process.exitCode = 1;
  }
}
