// Strategies: who goes on, at each choice of a run. One object is one run, but for the exhaustive one, which is a search.
//
// Random: uniform. POS: a random priority for each pending access, drawn anew when something that it depends on was
// done (reference explore.md 2 c'). PCT: random priorities of tasks and d - 1 places where the running one falls
// below all others. Replay: a schedule that was written down. Bounded: all schedules with at most so many
// pre-emptions, depth first.

import type { Task } from '../sched/index.ts';
import { Random } from '../sched/index.ts';
import type { Schedule } from './schedule.ts';
import { type Choice, isAtPoint, type Strategy } from './steering.ts';

export function randomStrategy(seed: number): Strategy {
  const random = new Random(seed);
  return { choose: ({ tasks }) => random.below(tasks.length) };
}

const PRIORITIES = 2 ** 30;

/** Partial-order sampling. */
export function posStrategy(seed: number): Strategy {
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
  return {
    choose: ({ tasks }) => indexOfHighest(tasks, priorityOf),
    stepping(task) {
      for (const other of priorities.keys()) {
        if (other === task || dependsOn(other, task)) priorities.delete(other);
      }
      return false;
    },
  };
}

const dependsOn = (a: Task, b: Task): boolean =>
  isAtPoint(a) && isAtPoint(b) && a.pointKind === b.pointKind && a.pointObject === b.pointObject;

/** Probabilistic concurrency testing: `depth` - 1 change points among the first `length` choices. */
export function pctStrategy(seed: number, depth: number, length: number): Strategy {
  const random = new Random(seed);
  const priorities = new Map<Task, number>();
  const changes = Array.from({ length: depth - 1 }, () => random.below(Math.max(1, length)));
  let choices = 0;
  const priorityOf = (task: Task): number => {
    let priority = priorities.get(task);
    if (priority === undefined) {
      priority = depth + random.below(PRIORITIES);
      priorities.set(task, priority);
    }
    return priority;
  };
  return {
    choose({ tasks, preempts }) {
      const change = changes.indexOf(choices++);
      if (change >= 0 && preempts) priorities.set(tasks[0]!, change);
      return indexOfHighest(tasks, priorityOf);
    },
  };
}

function indexOfHighest(tasks: readonly Task[], priorityOf: (task: Task) => number): number {
  let best = 0;
  for (let i = 1; i < tasks.length; i++) {
    if (priorityOf(tasks[i]!) > priorityOf(tasks[best]!)) best = i;
  }
  return best;
}

/** Follows `schedule` as far as it fits; `missed` counts the deviations that found no place. */
export function replayStrategy(
  schedule: Schedule,
  stepsOf: (task: Task | null) => number,
): Strategy & { readonly missed: () => number } {
  const waiting = new Map(
    schedule.map((deviation) => [`${deviation.after}:${deviation.steps}`, deviation.to]),
  );
  let last: Task | null = null;
  return {
    missed: () => waiting.size,
    choose({ tasks }) {
      const key = `${last?.name ?? ''}:${stepsOf(last)}`;
      const to = waiting.get(key);
      if (to === undefined) return 0;
      const index = tasks.findIndex(({ name }) => name === to);
      if (index < 0) return 0;
      waiting.delete(key);
      return index;
    },
    stepping(task) {
      last = task;
      return false;
    },
  };
}

/** A choice on the path of the run that is under way. */
interface Branch {
  readonly count: number;
  taken: number;
  /** Pre-emptions before it, and whether another than the first costs one more. */
  readonly spent: number;
  readonly preempts: boolean;
}

/**
 * All that schedules with at most `bound` pre-emptions can do: a depth-first search whose run is one call of next().
 * A run is cut short where it comes to a state that the search has gone on from with as many pre-emptions left. What
 * is shared is learned (sharing.ts): whoever drives the search begins again when more turns out to be.
 */
export class BoundedSearch implements Strategy {
  readonly bound: number;
  /** Choices met so far: nodes of the tree of schedules. */
  states = 0;
  readonly #shard: { readonly index: number; readonly count: number };
  readonly #path: Branch[] = [];
  /** Pre-emptions that were left when a state was gone on from. */
  readonly #known = new Map<number, number>();
  #depth = 0;
  #spent = 0;
  #isFirst = true;
  /** First pre-emptions met. */
  #dealt = 0;

  /** `shard`: only the subtrees below the first pre-emption whose place in the tree is one of every `count`. */
  constructor(bound: number, shard = { index: 0, count: 1 }) {
    this.bound = bound;
    this.#shard = shard;
  }

  /** Prepares the next run; false: there is none left. */
  next(): boolean {
    this.#depth = 0;
    this.#spent = 0;
    if (this.#isFirst) {
      this.#isFirst = false;
      return true;
    }
    for (;;) {
      const branch = this.#path.at(-1);
      if (branch === undefined) return false;
      if (++branch.taken < branch.count) {
        if (this.#isOurs(branch)) return true;
        continue;
      }
      this.#path.pop();
    }
  }

  /** The first pre-emption decides whose a subtree is: they are dealt out in the order in which they are met. */
  #isOurs(branch: Branch): boolean {
    if (this.#shard.count === 1 || !branch.preempts || branch.spent > 0) return true;
    return this.#dealt++ % this.#shard.count === this.#shard.index;
  }

  /** Whether the search has gone on from the state with as much left; notes it if not. */
  #isKnown(state: number, left: number): boolean {
    const known = this.#known.get(state);
    if (known !== undefined && known >= left) return true;
    this.#known.set(state, left);
    return false;
  }

  stepping(_task: Task, state: () => number): boolean {
    // Behind the path is where the search has been; the step that the last choice of the path leads to is new.
    return this.#depth >= this.#path.length && this.#isKnown(state(), this.bound - this.#spent);
  }

  choose({ tasks, preempts, state }: Choice): number {
    const spent = this.#spent;
    if (preempts && spent >= this.bound) return 0;
    let branch = this.#path[this.#depth];
    if (branch === undefined) {
      if (this.#isKnown(state(), this.bound - spent)) return -1;
      branch = { count: tasks.length, taken: 0, spent, preempts };
      this.#path.push(branch);
      this.states++;
    }
    this.#depth++;
    if (branch.preempts && branch.taken > 0) this.#spent++;
    return branch.taken;
  }
}
