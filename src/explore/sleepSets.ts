// Every order of what does not commute, once: a depth-first search with sleep sets (Godefroid), without a bound and
// without remembering states. An independent check of the bounded search, for programs small enough.
//
// A task that was gone on from at a choice sleeps in the branches after it, until a step comes that its next one does not
// commute with; a run whose next step is a sleeper's has been made in another order. Two steps commute unless they are
// before points of the same object; a step before no point touches nothing that is shared.
//
// Invariant: of all orders that differ only in steps that commute exactly one run is not cut short.

import type { PointKind, Task } from '../sched/index.ts';
import { type Choice, isAtPoint, type Strategy } from './steering.ts';

interface Branch {
  readonly count: number;
  taken: number;
  /** By index: the tasks that slept when the choice was come to. */
  readonly asleep: readonly boolean[];
}

export class SleepSets implements Strategy {
  /** Choices met so far. */
  states = 0;
  readonly #path: Branch[] = [];
  /** Who sleeps now. */
  readonly #asleep = new Set<Task>();
  #depth = 0;
  #isFirst = true;

  /** Prepares the next run; false: there is none left. */
  next(): boolean {
    this.#depth = 0;
    this.#asleep.clear();
    if (this.#isFirst) {
      this.#isFirst = false;
      return true;
    }
    for (;;) {
      const branch = this.#path.at(-1);
      if (branch === undefined) return false;
      do branch.taken++;
      while (branch.asleep[branch.taken]);
      if (branch.taken < branch.count) return true;
      this.#path.pop();
    }
  }

  choose({ tasks }: Choice): number {
    let branch = this.#path[this.#depth];
    if (branch === undefined) {
      const asleep = tasks.map((task) => this.#asleep.has(task));
      const taken = asleep.indexOf(false);
      if (taken < 0) return -1;
      branch = { count: tasks.length, taken, asleep };
      this.#path.push(branch);
      this.states++;
    }
    this.#depth++;
    for (let i = 0; i < branch.taken; i++) this.#asleep.add(tasks[i]!);
    return branch.taken;
  }

  stepping(task: Task): boolean {
    if (this.#asleep.has(task)) return true;
    if (isAtPoint(task)) this.passing(task.pointKind, task.pointObject);
    return false;
  }

  passing(kind: PointKind, object: number): void {
    for (const sleeper of this.#asleep) if (conflicts(sleeper, kind, object)) this.#asleep.delete(sleeper);
  }
}

/** What hardware looks at without a point of its own: a vCPU's or CPU's walk, and the frame that it reaches. */
const SEEN_BY_HARDWARE: ReadonlySet<PointKind> = new Set(['vcpu', 'tlb', 'pte', 'spte', 'page']);
const HARDWARE: ReadonlySet<PointKind> = new Set(['vcpu', 'tlb']);

/** Whether the next step of `task` does not commute with an access. */
function conflicts(task: Task, kind: PointKind, object: number): boolean {
  if (!isAtPoint(task)) return false;
  if (HARDWARE.has(kind)) return SEEN_BY_HARDWARE.has(task.pointKind);
  if (HARDWARE.has(task.pointKind)) return SEEN_BY_HARDWARE.has(kind);
  return task.pointKind === kind && task.pointObject === object;
}
