// npm run mutants [NAME]: how many mutants the standing scenarios kill. One line of JSON for each, and one in the end.
//
// A mutant is killed if a scenario fails that production passes: all schedules with at most one pre-emption first, as
// far as a budget goes, then POS; a small budget for every scenario before a large one for any.

import { spawnSync } from 'node:child_process';
import { scenarioNames } from '../../src/exploration.ts';
import type * as Explore from '../../src/explore/index.ts';
import type { Explorer, Scenario } from '../../src/explore/index.ts';
import { loadVariant, type SourceEdit } from '../../src/loader/index.ts';
import { MUTANTS, type Mutant } from './mutants.ts';

/** Schedules of each policy, for one scenario. */
const BUDGETS = [
  { bounded: 5, pos: 10 },
  { bounded: 60, pos: 40 },
  { bounded: 600, pos: 400 },
] as const;

/** The argument of a process that runs one mutant. */
const ONE = '--one';

type Variant = typeof Explore & { readonly scenarios: readonly Scenario[] };

interface Kill {
  readonly scenario: string;
  readonly policy: 'bounded' | 'pos';
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

async function kill({ edits }: Mutant): Promise<Kill | null> {
  const variant = await loadAll(edits);
  const explorers: Explorer[] = [];
  for (const scenario of variant.scenarios) {
    try {
      explorers.push(new variant.Explorer(scenario));
    } catch (error) {
      const invariant = `setup: ${(error as Error).message}`;
      return { scenario: scenario.name, policy: 'bounded', schedules: 0, invariant };
    }
  }
  for (const budget of BUDGETS) {
    for (const explorer of explorers) {
      const killed = search(variant, explorer, budget);
      if (killed !== null) return killed;
    }
  }
  return null;
}

function search(variant: Variant, explorer: Explorer, budget: (typeof BUDGETS)[number]): Kill | null {
  const { name } = explorer.scenario;
  for (const policy of ['bounded', 'pos'] as const) {
    const made = new variant.Search(explorer, { policy, bound: 1, seed: 1, schedules: budget[policy] });
    made.step(() => false);
    const { failure, schedules } = made.state;
    if (failure?.found) return { scenario: name, policy, schedules, invariant: failure.found.invariant };
  }
  return null;
}

const print = (line: object): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);

/** The result for one mutant, from a process of its own: what it loads would never go away again. */
function killApart(index: number): Kill | null {
  const args = [...process.execArgv, process.argv[1]!, ONE, String(index)];
  const { stdout, status } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`the run of mutant ${index} ended with ${status}`);
  return JSON.parse(stdout) as Kill | null;
}

function killAll(only: string): void {
  let killed = 0;
  let counted = 0;
  for (const [index, { name, equivalent }] of MUTANTS.entries()) {
    if (!name.includes(only)) continue;
    const result = killApart(index);
    if (equivalent === undefined) counted++;
    if (equivalent === undefined && result !== null) killed++;
    print({ mutant: name, killed: result !== null, ...result, equivalent });
  }
  print({ name: 'mutants', count: counted, killed, rate: Number((killed / counted).toFixed(3)) });
  process.exitCode = killed / counted >= 0.9 ? 0 : 1;
}

const [first, second] = process.argv.slice(2);
if (first === ONE) process.stdout.write(JSON.stringify(await kill(MUTANTS[Number(second)]!)));
else killAll(first ?? '');
