// A search as the verbs run it: in this process or on several, up to its end, a limit of time or Ctrl-C.

import { runSearch, type SearchLimits, type Variant } from '../exploration.ts';
import type { Explorer, SearchOptions, SearchState, Sharing } from '../explore/index.ts';
import type { Interrupt } from '../platform/index.ts';
import { ParallelSearch } from './parallelSearch.ts';

export interface Limits {
  readonly seconds: number;
  readonly interrupt: Interrupt;
  readonly progress: (state: SearchState) => void;
  /** Of the user's patience with a run: as runSearch() wants it here; and what is called when a worker is silent for long. */
  readonly within?: SearchLimits['within'];
  readonly silent?: () => void;
}

export interface Searched {
  readonly state: SearchState;
  /** What is known by now of the points that matter. */
  readonly sharing: Sharing;
  readonly stopped: 'time' | 'interrupt' | null;
  /** Where a run stood in a worker that had to be broken off; '': none had. */
  readonly stood: string;
}

/** Above it setTimeout() calls at once. */
const LONGEST_TIMER = 2 ** 31 / 1000;

/** `jobs`: processes; undefined: this one. `scenario` is a name or file, loaded as it is into `variant`. */
export function searchOn(
  jobs: number | undefined,
  scenario: string,
  variant: Variant,
  explorer: Explorer,
  options: SearchOptions,
  limits: Limits,
): Promise<Searched> {
  return jobs === undefined
    ? searchHere(variant, explorer, options, limits)
    : searchOnWorkers(jobs, scenario, explorer, options, limits);
}

async function searchHere(
  variant: Variant,
  explorer: Explorer,
  options: SearchOptions,
  { progress, silent: _, ...limits }: Limits,
): Promise<Searched> {
  const { search, stopped } = await runSearch(variant, explorer, options, {
    ...limits,
    progress: ({ state }) => progress(state),
  });
  return { state: search.state, sharing: explorer.steering.sharing, stopped, stood: '' };
}

async function searchOnWorkers(
  jobs: number,
  scenario: string,
  { weak, steering: { sharing } }: Explorer,
  options: SearchOptions,
  { seconds, interrupt, progress, silent }: Limits,
): Promise<Searched> {
  const { policy, bound, hardware, seed, schedules, shard } = options;
  const asked = { policy, bound, hardware, seed, schedules, ...(shard && { shard }) };
  const search = new ParallelSearch(jobs, { scenario, edits: [], weak }, asked, sharing);
  search.progress = progress;
  if (silent !== undefined) search.silent = silent;
  let stopped: Searched['stopped'] = null;
  const stop = (why: 'time' | 'interrupt') => (): void => {
    stopped ??= why;
    search.stop();
  };
  const timer = seconds < LONGEST_TIMER ? setTimeout(stop('time'), seconds * 1000) : undefined;
  const onInterrupt = stop('interrupt');
  interrupt.signal.addEventListener('abort', onInterrupt);
  try {
    const state = await search.run();
    return { state, sharing, stopped: state.isOver ? null : stopped, stood: search.stood };
  } finally {
    clearTimeout(timer);
    interrupt.signal.removeEventListener('abort', onInterrupt);
  }
}
