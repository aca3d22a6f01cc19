// A scenario in a variant of production code, and a search in it that Ctrl-C, a limit of time and the terminal get
// along with.
//
// Shared by the verbs of cli/ that explore, and by the public API, whose explore() is the whole of it in one call. A
// scenario is one of src/scenarios by name, or a file.

import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Explore from './explore/index.ts';
import {
  type Explorer,
  type Found,
  type Lanes,
  type Scenario,
  type Search,
  type SearchOptions,
  thrownText,
} from './explore/index.ts';
import { LoadError, loadVariant, SOURCES, type SourceEdit, versionOf } from './loader/index.ts';
import type { Interrupt } from './platform/index.ts';
import { Interrupted, sliceTimer, turnEventLoop } from './platform/index.ts';

/** explore/ of a variant, with the scenario loaded into it. */
export type Variant = typeof Explore & { readonly scenario: Scenario };

const SCENARIOS = join(SOURCES, 'scenarios');

/** The standing scenarios, by name. */
export const scenarioNames = (): string[] =>
  readdirSync(SCENARIOS)
    .map((file) => file.replace(/\.ts$/, ''))
    .sort();

/** Throws LoadError where there is no such scenario, and Interrupted where `interrupt` comes meanwhile. */
export async function loadScenario(
  scenario: string,
  edits: readonly SourceEdit[] = [],
  interrupt?: Interrupt,
): Promise<Variant> {
  const path = scenarioPath(scenario);
  const entry = `export * from './explore/index.ts'; export { scenario } from ${JSON.stringify(path)};`;
  const variant = await loadVariant<Variant>({ entry, edits }).catch(async (error: unknown) => {
    // Ctrl-C goes to the bundler's process as well, whose end may be heard of first, and is no error then. What is left
    // of this turn of the event loop may not listen to signals any more; the next one does.
    await turnEventLoop();
    await turnEventLoop();
    interrupt?.throwIfAborted();
    // A standing scenario loads, unless Umbra has a bug; what a file of a user's throws is theirs to hear.
    if (error instanceof LoadError || scenarioNames().includes(scenario)) throw error;
    const what = error instanceof Error ? error.message : String(error);
    throw new LoadError(`${scenario}: ${what.replaceAll('\n', ' ')}`);
  });
  interrupt?.throwIfAborted();
  if (typeof variant.scenario?.tasks !== 'function') throw new LoadError(`${scenario}: exports no scenario`);
  return variant;
}

/**
 * What a run of a scenario threw, as its author should hear it: a standing scenario throws nothing, so that it is a bug of
 * Umbra, and so is what names itself one; anything else a file of a user's did.
 */
export function thrownBy(scenario: string, error: unknown): unknown {
  const speaks = error instanceof Interrupted || (error instanceof Error && SPEAKING.has(error.name));
  if (speaks || scenarioNames().includes(scenario)) return error;
  return new LoadError(`${scenario} throws ${thrownText(error)}`);
}

/** Errors whose class says whose mistake it was, by name, since a variant has classes of its own. */
const SPEAKING = new Set([
  'UmbraBug',
  'InputError',
  'FileError',
  'AssemblerError',
  'TraceError',
  'LoadError',
]);

function scenarioPath(scenario: string): string {
  if (scenarioNames().includes(scenario)) return join(SCENARIOS, `${scenario}.ts`);
  if (!/[./]/.test(scenario)) {
    throw new LoadError(`no scenario is called ${scenario} (there are: ${scenarioNames().join(', ')})`);
  }
  const path = resolve(scenario);
  if (!existsSync(path)) throw new LoadError(`${scenario}: no such file`);
  return path;
}

/** Number of what a variant is made of, edits and scenario too: to another a schedule means something else, or nothing. */
export const buildOf = (variant: Variant): number => Number.parseInt(versionOf(variant).slice(0, 8), 16);

/** What runs a schedule of `scenario` (a name, a file or an exhibit) again; `variant` is where it was found. */
export const replayCommand = (variant: Variant, scenario: string, schedule: string): string =>
  `umbra replay ${quoted(scenario)} '${schedule}' --build ${buildOf(variant)}`;

/** A word of a shell's. */
const quoted = (text: string): string =>
  /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

export interface SearchLimits {
  readonly seconds: number;
  readonly interrupt?: Interrupt;
  readonly progress?: (search: Search) => void;
  /** Calls `work`, and throws Interrupted where that takes too long: by default it may. */
  readonly within?: (work: () => void, milliseconds: number) => void;
}

/** What is left to a slice of work that time ends, ms: it is longer than it should be by a run. */
const GRACE_MS = 2000;

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
    try {
      const step = (): void => search.step(sliceTimer());
      if (limits.within === undefined) step();
      else limits.within(step, end - performance.now() + GRACE_MS);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      return { search, stopped: limits.interrupt?.isAborted ? 'interrupt' : 'time' };
    }
    if (search.state.isOver) return { search, stopped: null };
    limits.progress?.(search);
    await turnEventLoop();
    if (limits.interrupt?.isAborted) return { search, stopped: 'interrupt' };
    if (performance.now() >= end) return { search, stopped: 'time' };
  }
}

export interface ExploreOptions {
  /** How schedules are chosen; default bounded: all of at most `bound` pre-emptions. */
  readonly policy?: SearchOptions['policy'];
  /** Default 2. */
  readonly bound?: number;
  /** Of the first schedule that is drawn (pos, pct, random); default 1. */
  readonly seed?: number;
  /** Most schedules; default: all that there are, or 10,000 drawn ones. */
  readonly schedules?: number;
  /** Most time. The only thing here that a result can depend on from outside. */
  readonly seconds?: number;
  /** Changes of Umbra's own sources, to see what finds them. */
  readonly edits?: readonly SourceEdit[];
}

/** What came of an exploration. */
export interface Exploration {
  /** The invariant that is broken and how; null: none in what was run. */
  readonly found: Found | null;
  /** Everything that was asked for was run, or a failure was found. */
  readonly complete: boolean;
  readonly schedules: number;
  /** Of the failure, as short as it could be made, for `umbra replay`; '': there is none. */
  readonly schedule: string;
  /** Its steps, as data and in lanes for people; null and '': there is none. */
  readonly lanes: Lanes | null;
  readonly text: string;
}

/** Schedules of a policy that could go on for ever. */
export const DRAWN_SCHEDULES = 10_000;

/**
 * Runs a scenario (a file that exports `scenario`, or a standing one by name) in every order that the policy can think
 * of, up to the first that breaks an invariant. Throws LoadError for a scenario or edits that cannot be used.
 *
 * ```ts
 * const { found, complete } = await explore('pageout', { policy: 'pos', schedules: 20 });
 * expect([found, complete]).toEqual([null, true]);
 * ```
 */
export async function explore(scenario: string | URL, options: ExploreOptions = {}): Promise<Exploration> {
  const { policy = 'bounded', bound = 2, seed = 1, seconds = Number.POSITIVE_INFINITY, edits } = options;
  const name = scenario instanceof URL ? fileURLToPath(scenario) : scenario;
  const variant = await loadScenario(name, edits);
  const isExhaustive = variant.isExhaustive(policy);
  const limit = isExhaustive ? Number.POSITIVE_INFINITY : DRAWN_SCHEDULES;
  const explorer = new variant.Explorer(variant.scenario);
  const wanted = { policy, bound, seed, schedules: options.schedules ?? limit };
  const { search, stopped } = await runSearch(variant, explorer, wanted, { seconds });
  const { schedules, failure, complete } = search.state;
  const passed = { found: null, schedules, schedule: '', lanes: null, text: '' };
  if (failure === null) return { ...passed, complete: complete || (!isExhaustive && stopped === null) };
  const { found, schedule } = variant.minimise(explorer, failure);
  const lanes = variant.traceRun(explorer, schedule);
  const words = variant.formatSchedule(schedule);
  const text = variant.counterexample(lanes, {
    replay: replayCommand(variant, name, words),
    twin: variant.passingTwin(explorer, lanes),
    how: `${policy}, schedule ${schedules}`,
    formatSchedule: variant.formatSchedule,
    full: false,
  });
  return { found, complete: true, schedules, schedule: words, lanes, text };
}
