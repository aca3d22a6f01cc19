// Proof of one exhibit: the bug is found within its budget by both ways, with the pre-emptions that its file states, and
// production code passes the same scenario.

import type { Exhibit } from '../exhibits/index.ts';
import { loadScenario, runSearch, type Variant } from '../exploration.ts';
import type { RunResult, Search, SearchOptions, SearchState } from '../explore/index.ts';
import type { SourceEdit } from '../loader/index.ts';
import type { Interrupt } from '../platform/index.ts';
import { searchOn } from './searching.ts';

/** How far production was searched, and what came of it. */
export interface Coverage {
  /** Incomplete: nothing found in what there was time for. */
  readonly verdict: 'pass' | 'fail' | 'incomplete';
  /**
   * Most pre-emptions of a schedule, and most actions of hardware on its own; incomplete: of those that were under way.
   */
  readonly bound: number;
  readonly hardware: number;
  readonly schedules: number;
  readonly states: number;
  /** What broke, as a schedule; null: nothing. */
  readonly schedule: string | null;
}

export interface CheckedExhibit {
  readonly name: string;
  readonly scenario: string;
  readonly verdict: Coverage['verdict'];
  /** Schedules within which it must be found. */
  readonly budget: Exhibit['budget'];
  /** Schedules up to the first failure; null: none within the budget. */
  readonly bounded: number | null;
  readonly pos: number | null;
  readonly preemptions: number;
  /** The scenario without the edits: hardware does what it is told, and whatever it may do by itself. */
  readonly production: { readonly tasks: Coverage; readonly hardware: Coverage };
}

export interface FoundBug {
  readonly variant: Variant;
  readonly explorer: InstanceType<Variant['Explorer']>;
  readonly search: Search;
  readonly failure: RunResult | null;
}

/** By how much of its steps a counterexample may differ from what was written down: production goes on changing. */
const STEPS_SHARE = 0.25;

interface Outside {
  readonly interrupt: Interrupt;
  readonly progress: (text: string) => void;
}

/** Finds the bug the thorough way. Throws Interrupted while it loads; afterwards the search is not over. */
export async function findBug(exhibit: Exhibit, outside?: Outside): Promise<FoundBug> {
  const variant = await loadScenario(exhibit.scenario, exhibit.edits, outside?.interrupt);
  const explorer = new variant.Explorer(variant.scenario);
  // Some of the edits make a race of it, which ends the first run: what it leads to is the exhibit.
  explorer.looksForRaces = false;
  const options = { policy: 'bounded' as const, bound: 2, seed: 1, schedules: exhibit.budget.bounded };
  const { search } = await runSearch(variant, explorer, options, {
    seconds: Number.POSITIVE_INFINITY,
    ...(outside && {
      interrupt: outside.interrupt,
      progress: ({ state }) => outside.progress(progressText(options.policy, state)),
    }),
  });
  const { failure } = search.state;
  return {
    variant,
    explorer,
    search,
    failure: failure === null ? null : variant.minimise(explorer, failure),
  };
}

const progressText = (policy: SearchOptions['policy'], { bound, schedules }: SearchState): string =>
  `${policy}, bound ${bound}, ${schedules} schedules`;

/** Whether the bug is what the museum's list says of it. */
export const isAsStated = ({ invariant, preemptions, steps }: Exhibit, { failure }: FoundBug): boolean =>
  failure?.found?.invariant === invariant &&
  failure.preemptions === preemptions &&
  Math.abs(failure.steps - steps) <= steps * STEPS_SHARE;

export interface CheckLimits extends Outside {
  /** Pre-emptions up to which production is searched. */
  readonly bound: number;
  /** Of each search of production: with hardware that does what it is told, and with all that it may do by itself. */
  readonly seconds: number;
  readonly hardwareSeconds: number;
  /** Processes that search production; undefined: this one. */
  readonly jobs?: number;
}

/** Proves exhibits one after the other; production is searched once for each scenario. */
export class MuseumCheck {
  readonly #limits: CheckLimits;
  readonly #production = new Map<string, CheckedExhibit['production']>();

  constructor(limits: CheckLimits) {
    this.#limits = limits;
  }

  /** Throws Interrupted. */
  async check(exhibit: Exhibit): Promise<CheckedExhibit> {
    const { name, scenario, edits, budget } = exhibit;
    const found = await findBug(exhibit, this.#limits);
    this.#limits.interrupt.throwIfAborted();
    const drawn = { policy: 'pos' as const, bound: 0, schedules: budget.pos };
    const byPos = await this.#search(scenario, edits, drawn, Number.POSITIVE_INFINITY);
    const production = this.#production.get(scenario) ?? (await this.#searchProduction(scenario));
    this.#production.set(scenario, production);
    const isFound = isAsStated(exhibit, found) && byPos.failure !== null;
    const verdicts = [production.tasks.verdict, production.hardware.verdict];
    return {
      name,
      scenario,
      budget,
      verdict: !isFound || verdicts.includes('fail') ? 'fail' : production.tasks.verdict,
      bounded: found.failure === null ? null : found.search.state.schedules,
      pos: byPos.failure === null ? null : byPos.schedules,
      preemptions: found.failure?.preemptions ?? 0,
      production,
    };
  }

  async #searchProduction(scenario: string): Promise<CheckedExhibit['production']> {
    const { bound, seconds, hardwareSeconds } = this.#limits;
    const options = { policy: 'bounded' as const, bound };
    const { formatSchedule } = await loadScenario(scenario);
    const tasks = await this.#search(scenario, [], { ...options, hardware: 0 }, seconds);
    const hardware = await this.#search(scenario, [], options, hardwareSeconds);
    return { tasks: coverageOf(tasks, formatSchedule), hardware: coverageOf(hardware, formatSchedule) };
  }

  async #search(
    scenario: string,
    edits: readonly SourceEdit[],
    options: Omit<SearchOptions, 'seed' | 'schedules'> & { readonly schedules?: number },
    seconds: number,
  ): Promise<SearchState> {
    const { interrupt, progress, jobs } = this.#limits;
    const variant = await loadScenario(scenario, edits, interrupt);
    const explorer = new variant.Explorer(variant.scenario);
    explorer.looksForRaces = edits.length === 0;
    const all = { seed: 1, schedules: Number.POSITIVE_INFINITY, ...options };
    const limits = {
      seconds,
      interrupt,
      progress: (state: SearchState) => progress(progressText(options.policy, state)),
    };
    // Workers know of no edits.
    const workers = edits.length === 0 ? jobs : undefined;
    const { state } = await searchOn(workers, scenario, variant, explorer, all, limits);
    interrupt.throwIfAborted();
    return state;
  }
}

function coverageOf(
  { bound, hardware, schedules, states, failure, complete }: SearchState,
  formatSchedule: Variant['formatSchedule'],
): Coverage {
  return {
    verdict: failure !== null ? 'fail' : complete ? 'pass' : 'incomplete',
    bound,
    hardware,
    schedules,
    states,
    schedule: failure === null ? null : formatSchedule(failure.schedule),
  };
}
