// Policies: who runs next. A policy sees the runnable tasks and answers an index; everything else composes from that.
//
// The task that just stopped at a point comes first, the others in the order in which they became runnable or last ran;
// answering 0 each time therefore never pre-empts. `run` never stops at plain points and switches by its seed where tasks
// block or give the CPU away; a policy that stops at points, never pre-empts and lets no event in there gives the very
// same run. The random policy stops at each point; a recorded schedule is the list of indices that
// were picked, and `replay` answers them again.

import { bug } from '../units.ts';
import { Random } from './random.ts';
import type { Task } from './task.ts';

export interface Policy {
  readonly stopsAtPoints: boolean;
  /**
   * Whether events that are due come in at plain points too, as interrupts do (default), or only where a task leaves the
   * CPU, as in run mode.
   */
  readonly interruptsAtPoints?: boolean;
  /** Told of each step before `task` takes it; its point says what it is about to do. */
  stepping?(task: Task): void;
  /** Told that `task` became runnable: spawned or woken by a task that runs, or by an event between steps (null). */
  woken?(task: Task, by: Task | null): void;
  /** Told of events by number: that a step (or an event) asked for one, and that it comes now. */
  scheduled?(event: number): void;
  delivering?(event: number): void;
  /** Index into `runnable`, which holds at least two tasks; with one the policy is not asked. Must not keep the array. */
  pick(runnable: readonly Task[]): number;
}

/** Run mode: tasks switch only where they block or give the CPU away, to one that the seed picks. */
export function runPolicy(seed = 1): Policy {
  const random = new Random(seed);
  return { stopsAtPoints: false, pick: (runnable) => random.below(runnable.length) };
}

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
