// From a failure to its core: the fewest deviations that still break the same invariant, and a schedule next to it
// that does not.
//
// Both by replaying: a deviation that finds no place any more is ignored, and the schedule that really happened is
// taken on.

import type { Explorer, RunResult } from './explorer.ts';
import type { Deviation, Schedule } from './schedule.ts';

/**
 * `failure` with as many deviations taken away as can be: windows of them, from half of the schedule down to one,
 * until none can go any more (delta debugging). A switch and the switch back go together, so windows of two matter
 * most.
 */
export function minimise(explorer: Explorer, failure: RunResult): RunResult {
  // As it is when it is replayed, which stops at more places and so may end sooner.
  let best: RunResult = explorer.replay(failure.schedule);
  if (!isSame(best, failure)) best = failure;
  for (let size = Math.max(2, Math.floor(best.schedule.length / 2)); size > 0; ) {
    const smaller = withoutWindow(explorer, best, size);
    if (smaller === null) size = size > 4 ? Math.floor(size / 2) : size - 1;
    else {
      best = smaller;
      size = Math.max(2, Math.min(size, best.schedule.length));
    }
  }
  const { found, steps, preemptions, schedule } = best;
  return { found, steps, preemptions, schedule };
}

/** The first schedule, from the back, with `size` neighbouring deviations less that fails the same way and is smaller. */
function withoutWindow(explorer: Explorer, failure: RunResult, size: number): RunResult | null {
  const { schedule } = failure;
  for (let start = schedule.length - size; start >= 0; start--) {
    const rest = [...schedule.slice(0, start), ...schedule.slice(start + size)];
    const run = explorer.replay(rest);
    if (isSame(run, failure) && isSmaller(run, failure)) return run;
  }
  return null;
}

const isSame = (a: RunResult, b: RunResult): boolean => a.found?.invariant === b.found?.invariant;

function isSmaller(a: RunResult, b: RunResult): boolean {
  if (a.preemptions !== b.preemptions) return a.preemptions < b.preemptions;
  return a.schedule.length < b.schedule.length;
}

/** How far the last switch is moved in search of a schedule that passes. */
const MAX_SHIFT = 40;

export interface Twin {
  readonly schedule: Schedule;
  /** By how many steps later the last switch comes. */
  readonly shift: number;
}

/** The nearest schedule that passes: the last deviation a few steps later, or not at all. */
export function passingTwin(explorer: Explorer, failure: RunResult): Twin | null {
  const last = failure.schedule.at(-1);
  if (last === undefined) return null;
  const others = failure.schedule.slice(0, -1);
  for (let shift = 1; shift <= MAX_SHIFT; shift++) {
    const later: Deviation = { ...last, steps: last.steps + shift };
    const run = explorer.replay([...others, later]);
    if (run.found === null) return { schedule: run.schedule, shift };
  }
  return null;
}
