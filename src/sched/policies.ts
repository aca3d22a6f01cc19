// Policies: who runs next. A policy sees the runnable tasks (the one that just stopped at a point comes first) and
// answers an index; everything else composes from that.
//
// `run` never stops at plain points. The random policy stops at each and switches with a seeded generator; a recorded
// schedule is the list of indices that were picked, and `replay` answers them again.

import { bug } from '../units.ts';
import { Random } from './random.ts';
import type { Task } from './task.ts';

export interface Policy {
  readonly stopsAtPoints: boolean;
  /** Index into `runnable`, which holds at least two tasks. */
  pick(runnable: readonly Task[]): number;
}

/** Run mode: round robin among tasks that block or give the CPU away. */
export const runPolicy = (): Policy => ({ stopsAtPoints: false, pick: () => 0 });

/** Uniform choice at every point, from a seed. `picks` is the schedule, for `replayPolicy`. */
export function randomPolicy(seed: number): Policy & { readonly picks: number[] } {
  const random = new Random(seed);
  const picks: number[] = [];
  return {
    stopsAtPoints: true,
    picks,
    pick(runnable) {
      const index = random.below(runnable.length);
      picks.push(index);
      return index;
    },
  };
}

/** Answers a recorded schedule again; a schedule that does not fit the program is a bug in the caller's program. */
export function replayPolicy(picks: readonly number[]): Policy {
  let at = 0;
  return {
    stopsAtPoints: true,
    pick(runnable) {
      const index =
        picks[at++] ?? bug('replay: the schedule is shorter than the run', { length: picks.length });
      if (index >= runnable.length) bug('replay: the schedule does not fit the run', { step: at - 1, index });
      return index;
    },
  };
}
