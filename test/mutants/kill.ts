// What kills one variant of production: the standing scenarios, in a process of its own, since what is loaded never goes
// away again.
//
// A mutant is killed if a scenario fails that production passes: all schedules with at most one pre-emption, as far as a
// budget goes, then POS; a small budget for every scenario before a large one for any. A scenario in whose runs production
// never came through what the mutant changes runs as production does, and is left out.

import { pathToFileURL } from 'node:url';
import { scenarioNames } from '../../src/exploration.ts';
import type * as Explore from '../../src/explore/index.ts';
import type { Explorer, Scenario, SearchOptions } from '../../src/explore/index.ts';
import { loadVariant, type SourceEdit, versionOf } from '../../src/loader/index.ts';
import { MUTANTS } from './mutants.ts';
import { Calls } from './reach.ts';

/** Schedules for one scenario: bounded, without and with hardware that acts on its own, and POS. */
const BUDGETS = [
  { tasks: 10, hardware: 5, pos: 10 },
  { tasks: 100, hardware: 40, pos: 40 },
  { tasks: 2500, hardware: 300, pos: 1000 },
] as const;

/** Those before it are small. */
export const LARGEST = BUDGETS.length - 1;

/** Of these as much of a budget is left for a scenario whose runs move 2 MiB. */
const LARGE_SHARE = 0.04;

/** What a process is asked: budgets by index, scenarios by name; null: all of them. */
export interface Request {
  /** In MUTANTS; null: production, of which is noted what it reaches. */
  readonly mutant: number | null;
  readonly budgets: readonly number[];
  readonly scenarios: readonly string[] | null;
}

export interface Answer {
  /** Of the sources and scenarios. */
  readonly version: string;
  readonly kill: Kill | null;
  readonly reached: Reached;
}

export interface Kill {
  readonly scenario: string;
  readonly policy: SearchOptions['policy'];
  readonly budget: number;
  readonly schedules: number;
  readonly invariant: string;
}

/** Of each scenario the functions that production came through. */
export type Reached = Readonly<Record<string, readonly string[]>>;

type Variant = typeof Explore & { readonly scenarios: readonly Scenario[] };

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

async function answer({ mutant, budgets, scenarios }: Request): Promise<Answer> {
  const variant = await loadAll(mutant === null ? [] : MUTANTS[mutant]!.edits);
  const version = versionOf(variant);
  const calls = mutant === null ? new Calls() : null;
  await calls?.start();
  const reached: Record<string, string[]> = {};
  const explorers = new Map<string, Explorer>();
  for (const budget of budgets) {
    for (const scenario of variant.scenarios) {
      const { name } = scenario;
      if (scenarios !== null && !scenarios.includes(name)) continue;
      try {
        if (!explorers.has(name)) explorers.set(name, new variant.Explorer(scenario));
      } catch (error) {
        const invariant = `setup: ${(error as Error).message}`;
        const kill = { scenario: name, policy: 'bounded', budget, schedules: 0, invariant } as const;
        return { version, kill, reached };
      }
      const kill = search(variant, explorers.get(name)!, budget);
      if (kill !== null) return { version, kill, reached };
      if (calls !== null) reached[name] = [...(reached[name] ?? []), ...(await calls.takeReached())];
    }
  }
  return { version, kill: null, reached };
}

function search(variant: Variant, explorer: Explorer, budget: number): Kill | null {
  const { name, vm } = explorer.scenario;
  const share = (vm?.ramPages ?? 0) < 512 ? 1 : LARGE_SHARE;
  const { tasks, hardware, pos } = BUDGETS[budget]!;
  const bounded = { policy: 'bounded', bound: 1, seed: 1 } as const;
  const searches: readonly SearchOptions[] = [
    { ...bounded, hardware: 0, schedules: tasks },
    { ...bounded, schedules: hardware },
    { policy: 'pos', bound: 0, seed: 1, schedules: pos },
  ];
  for (const options of searches) {
    const { policy } = options;
    const made = new variant.Search(explorer, {
      ...options,
      schedules: Math.ceil(options.schedules * share),
    });
    made.step(() => false);
    const { failure, schedules } = made.state;
    if (failure?.found)
      return { scenario: name, policy, budget, schedules, invariant: failure.found.invariant };
  }
  return null;
}

if (import.meta.url === pathToFileURL(process.argv[1]!).href) {
  process.stdout.write(JSON.stringify(await answer(JSON.parse(process.argv[2]!) as Request)));
}
