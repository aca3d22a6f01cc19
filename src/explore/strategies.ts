// Strategies: who goes on, at each choice of a run, and when hardware acts. One object is one run.
//
// Random: uniform. POS: a random priority for each pending access, drawn anew when something that it depends on was
// done (reference explore.md 2 c'). PCT: random priorities of tasks and d - 1 places where the running one falls
// below all others. Who gives the CPU away must not hold up whom it waits for: with POS all draw anew, with PCT it falls
// below all others, too. Replay: a schedule that was written down. bounded.ts has the exhaustive one.

import type { Task } from '../sched/index.ts';
import { Random } from '../sched/index.ts';
import { hasYielded, meet } from './dependency.ts';
import type { Schedule } from './schedule.ts';
import type { Strategy } from './steering.ts';

/** Hardware in random strategies: at most `bound` actions, at about as many of the `chances` that a run has. */
export interface HardwareShare {
  readonly bound: number;
  readonly chances: number;
}

export const NO_HARDWARE: HardwareShare = { bound: 0, chances: 1 };

/** `strategy` with hardware. Its numbers are its own, so that with and without it a seed means the same switches. */
function withHardware(strategy: Strategy, seed: number, { bound, chances }: HardwareShare): Strategy {
  if (bound === 0) return strategy;
  const random = new Random(seed + 2 ** 40);
  let left = bound;
  return {
    ...strategy,
    get wantsHardware() {
      return left > 0;
    },
    hardware({ actions }) {
      if (random.below(Math.max(chances, 2 * bound)) >= bound) return 0;
      left--;
      return 1 + random.below(actions.length);
    },
  };
}

export function randomStrategy(seed: number, share = NO_HARDWARE): Strategy {
  const random = new Random(seed);
  return withHardware({ choose: ({ tasks }) => random.below(tasks.length) }, seed, share);
}

const PRIORITIES = 2 ** 30;

/** Partial-order sampling. */
export function posStrategy(seed: number, share = NO_HARDWARE): Strategy {
  const random = new Random(seed);
  const priorities = new Map<Task, number>();
  const priorityOf = (task: Task): number => {
    let priority = priorities.get(task);
    if (priority === undefined) {
      priority = random.below(PRIORITIES);
      priorities.set(task, priority);
    }
    return priority;
  };
  let last: Task | null = null;
  const strategy: Strategy = {
    choose({ tasks }) {
      // Giving the CPU away depends on all that others do.
      if (last !== null && hasYielded(last)) priorities.clear();
      return indexOfHighest(tasks, priorityOf);
    },
    stepping(task) {
      last = task;
      for (const other of priorities.keys()) {
        // Not for all that hardware looks at: who is about to enter the guest would draw anew before each step of others,
        // and never be held up for long.
        if (other === task || meet(other, task)) priorities.delete(other);
      }
      return false;
    },
  };
  return withHardware(strategy, seed, share);
}

/** Probabilistic concurrency testing: `depth` - 1 change points among the first `length` choices. */
export function pctStrategy(seed: number, depth: number, length: number, share = NO_HARDWARE): Strategy {
  const random = new Random(seed);
  const priorities = new Map<Task, number>();
  const changes = Array.from({ length: depth - 1 }, () => random.below(Math.max(1, length)));
  let choices = 0;
  let last: Task | null = null;
  let lowest = 0;
  const priorityOf = (task: Task): number => {
    let priority = priorities.get(task);
    if (priority === undefined) {
      priority = depth + random.below(PRIORITIES);
      priorities.set(task, priority);
    }
    return priority;
  };
  const strategy: Strategy = {
    choose({ tasks, preempts }) {
      const change = changes.indexOf(choices++);
      if (change >= 0 && preempts) priorities.set(tasks[0]!, change);
      if (last !== null && hasYielded(last)) priorities.set(last, --lowest);
      return indexOfHighest(tasks, priorityOf);
    },
    stepping(task) {
      last = task;
      return false;
    },
  };
  return withHardware(strategy, seed, share);
}

function indexOfHighest(tasks: readonly Task[], priorityOf: (task: Task) => number): number {
  let best = 0;
  for (let i = 1; i < tasks.length; i++) {
    if (priorityOf(tasks[i]!) > priorityOf(tasks[best]!)) best = i;
  }
  return best;
}

/** Follows `schedule` as far as it fits; `missed` counts the deviations that found no place, or would have been none. */
export function replayStrategy(schedule: Schedule): Strategy & { readonly missed: () => number } {
  const placeOf = (name: string, steps: number, hardware: boolean): string =>
    `${name}:${steps}${hardware ? '+' : '>'}`;
  const waiting = new Map<string, string[]>();
  for (const { after, steps, to, hardware } of schedule) {
    const place = placeOf(after, steps, hardware);
    waiting.set(place, [...(waiting.get(place) ?? []), to]);
  }
  /** Takes what is first at `place`; its index in `names`, or 0, which is no deviation. */
  const take = (place: string, names: () => readonly string[]): number => {
    const wanted = waiting.get(place);
    const index = wanted === undefined ? 0 : Math.max(0, names().indexOf(wanted[0]!));
    if (index > 0) wanted!.shift();
    return index;
  };
  let last: Task | null = null;
  return {
    repeats: true,
    wantsHardware: schedule.some(({ hardware }) => hardware),
    missed: () => [...waiting.values()].reduce((sum, { length }) => sum + length, 0),
    choose: ({ tasks }) =>
      take(placeOf(last?.name ?? '', last?.steps ?? 0, false), () => tasks.map(({ name }) => name)),
    hardware: ({ actions, task }) =>
      take(placeOf(task.name, task.steps, true), () => ['', ...actions.map(({ name }) => name)]),
    stepping(task) {
      last = task;
      return false;
    },
  };
}
