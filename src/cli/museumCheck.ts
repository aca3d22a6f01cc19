// Proof of one exhibit: the bug is found within its budget by both ways, with the pre-emptions that its file states, and
// production code passes the same scenario.

import type { Exhibit } from '../exhibits/index.ts';
import { loadScenario, runSearch, type Variant } from '../exploration.ts';
import type { RunResult, Search } from '../explore/index.ts';
import type { Interrupt } from '../platform/index.ts';

export interface CheckedExhibit {
  readonly name: string;
  readonly ok: boolean;
  /** Schedules up to the first failure; null: none within the budget. */
  readonly bounded: number | null;
  readonly pos: number | null;
  readonly preemptions: number;
  /** The scenario without the edits, exhaustively. */
  readonly production: {
    readonly verdict: 'pass' | 'fail' | 'incomplete';
    readonly bound: number;
    readonly schedules: number;
    readonly states: number;
  };
}

export interface FoundBug {
  readonly variant: Variant;
  readonly explorer: InstanceType<Variant['Explorer']>;
  readonly search: Search;
  readonly failure: RunResult | null;
}

/** Finds the bug the thorough way. */
export async function findBug(exhibit: Exhibit): Promise<FoundBug> {
  const variant = await loadScenario(exhibit.scenario, exhibit.edits);
  const explorer = new variant.Explorer(variant.scenario);
  // Some of the edits make a race of it, which ends the first run: what it leads to is the exhibit.
  explorer.looksForRaces = false;
  const options = { policy: 'bounded' as const, bound: 2, seed: 1, schedules: exhibit.budget.bounded };
  const search = new variant.Search(explorer, options);
  search.step(() => false);
  const { failure } = search.state;
  return {
    variant,
    explorer,
    search,
    failure: failure === null ? null : variant.minimise(explorer, failure),
  };
}

/** `bound`: how far production is searched. */
export async function checkExhibit(
  exhibit: Exhibit,
  interrupt: Interrupt,
  progress: (text: string) => void,
  bound = 1,
): Promise<CheckedExhibit> {
  const found = await findBug(exhibit);
  const byPos = await search(
    exhibit,
    { policy: 'pos', schedules: exhibit.budget.pos, bound: 0 },
    interrupt,
    progress,
  );
  const production = await search(
    { ...exhibit, edits: [] },
    { policy: 'bounded', bound },
    interrupt,
    progress,
  );
  const invariant = found.failure?.found?.invariant;
  const preemptions = found.failure?.preemptions ?? 0;
  const { state } = production;
  const verdict = state.failure !== null ? 'fail' : state.complete ? 'pass' : 'incomplete';
  return {
    name: exhibit.name,
    ok:
      invariant === exhibit.invariant &&
      preemptions === exhibit.preemptions &&
      byPos.state.failure !== null &&
      verdict === 'pass',
    bounded: found.failure === null ? null : found.search.state.schedules,
    pos: byPos.state.failure === null ? null : byPos.state.schedules,
    preemptions,
    production: { verdict, bound: state.bound, schedules: state.schedules, states: state.states },
  };
}

async function search(
  exhibit: Exhibit,
  options: { readonly policy: 'pos' | 'bounded'; readonly bound: number; readonly schedules?: number },
  interrupt: Interrupt,
  progress: (text: string) => void,
): Promise<Search> {
  const variant = await loadScenario(exhibit.scenario, exhibit.edits);
  const explorer = new variant.Explorer(variant.scenario);
  explorer.looksForRaces = exhibit.edits.length === 0;
  const all = { seed: 1, schedules: Number.POSITIVE_INFINITY, ...options };
  const { search: done } = await runSearch(variant, explorer, all, {
    seconds: Number.POSITIVE_INFINITY,
    interrupt,
    progress: ({ state }) => progress(`${options.policy} ${state.schedules}`),
  });
  return done;
}
