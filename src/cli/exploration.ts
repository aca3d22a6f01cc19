// A scenario in a variant of production code, and a search in it that Ctrl-C, a limit of time and the terminal get
// along with.
//
// Shared by explore.ts, replay.ts and museum.ts. A scenario is one of src/scenarios by name, or a file.

import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type * as Explore from '../explore/index.ts';
import type { Explorer, Scenario, Search, SearchOptions } from '../explore/index.ts';
import { LoadError, loadVariant, SOURCES, type SourceEdit } from '../loader/index.ts';
import type { Interrupt } from '../platform/index.ts';
import { sliceTimer, turnEventLoop } from '../platform/index.ts';

/** explore/ of a variant, with the scenario loaded into it. */
export type Variant = typeof Explore & { readonly scenario: Scenario };

const SCENARIOS = join(SOURCES, 'scenarios');

/** The standing scenarios, by name. */
export const scenarioNames = (): string[] =>
  readdirSync(SCENARIOS)
    .map((file) => file.replace(/\.ts$/, ''))
    .sort();

/** Throws LoadError where there is no such scenario. */
export async function loadScenario(scenario: string, edits: readonly SourceEdit[] = []): Promise<Variant> {
  const path = scenarioPath(scenario);
  const entry = `export * from './explore/index.ts'; export { scenario } from ${JSON.stringify(path)};`;
  const variant = await loadVariant<Variant>({ entry, edits });
  if (typeof variant.scenario?.tasks !== 'function') throw new LoadError(`${scenario}: exports no scenario`);
  return variant;
}

function scenarioPath(scenario: string): string {
  if (scenarioNames().includes(scenario)) return join(SCENARIOS, `${scenario}.ts`);
  if (!/[./]/.test(scenario)) {
    throw new LoadError(`no scenario is called ${scenario} (there are: ${scenarioNames().join(', ')})`);
  }
  const path = resolve(scenario);
  if (!existsSync(path)) throw new LoadError(`${scenario}: no such file`);
  return path;
}

export interface SearchLimits {
  readonly seconds: number;
  readonly interrupt: Interrupt;
  readonly progress: (search: Search) => void;
}

/** Runs the search to its end, the limit or Ctrl-C. */
export async function runSearch(
  variant: Variant,
  explorer: Explorer,
  options: SearchOptions,
  limits: SearchLimits,
): Promise<{ readonly search: Search; readonly stopped: 'time' | 'interrupt' | null }> {
  const search = new variant.Search(explorer, options);
  const end = performance.now() + limits.seconds * 1000;
  for (;;) {
    search.step(sliceTimer());
    if (search.state.isOver) return { search, stopped: null };
    limits.progress(search);
    await turnEventLoop();
    if (limits.interrupt.isAborted) return { search, stopped: 'interrupt' };
    if (performance.now() >= end) return { search, stopped: 'time' };
  }
}
