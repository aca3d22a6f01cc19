// From a failure to its core: the fewest deviations that still break the same invariant, and a schedule next to it that does not.
//
// Both by replaying: a deviation that finds no place any more is ignored, and the schedule that really happened is taken on.

import type { Explorer, RunResult } from './explorer.ts';
import type { Deviation, Schedule } from './schedule.ts';

/** Rounds of trying to leave deviations out; each costs a run per deviation. */
const MAX_ROUNDS = 4;

/** `failure` with as many deviations taken away as can be, one by one, last first. */
export function minimise(explorer: Explorer, failure: RunResult): RunResult {
  let best = failure;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const before = best;
    for (let i = best.schedule.length - 1; i >= 0; i--) {
      if (i >= best.schedule.length) continue;
      const shorter = explorer.replay(best.schedule.filter((_, index) => index !== i));
      if (isSame(shorter, failure) && isSmaller(shorter, best)) best = shorter;
    }
    if (best === before) break;
  }
  const { found, steps, preemptions, schedule } = best;
  return { found, steps, preemptions, schedule };
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
