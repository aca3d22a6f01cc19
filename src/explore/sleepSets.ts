// Every order of what does not commute, once: a depth-first search with sleep sets (Godefroid), without a bound and
// without remembering states. An independent check of the bounded search, for programs small enough.
//
// A task that was gone on from at a choice sleeps in the branches after it, until a step comes that its next one does not
// commute with (dependency.ts); a run whose next step is a sleeper's has been made in another order.
//
// Invariant: of all orders that differ only in steps that commute exactly one run is not cut short.

import type { PointKind, Task } from '../sched/index.ts';
import { type Access, hasYielded, isAtPoint, wake, YIELD } from './dependency.ts';
import type { Choice, Strategy } from './steering.ts';

interface Branch {
  readonly count: number;
  taken: number;
  /** By index: what the tasks that slept when the choice was come to will do next; null: awake. */
  readonly asleep: readonly (readonly Access[] | null)[];
  /** By index: what those did next that were gone on from. */
  readonly did: (readonly Access[])[];
}

export class SleepSets implements Strategy {
  /** Choices met so far. */
  states = 0;
  readonly #path: Branch[] = [];
  /** Who sleeps now, and what each will do next. */
  readonly #asleep = new Map<Task, readonly Access[]>();
  #depth = 0;
  #isFirst = true;
  /** The step that is being taken: whose, what it does, and the choice that led to it. */
  #task: Task | null = null;
  #accesses: Access[] = [];
  #branch: Branch | null = null;

  /** Prepares the next run; false: there is none left. */
  next(): boolean {
    this.#close();
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
    this.#close();
    let branch = this.#path[this.#depth];
    if (branch === undefined) {
      const asleep = tasks.map((task) => this.#asleep.get(task) ?? null);
      const taken = asleep.indexOf(null);
      if (taken < 0) return -1;
      branch = { count: tasks.length, taken, asleep, did: [] };
      this.#path.push(branch);
      this.states++;
    }
    this.#depth++;
    this.#branch = branch;
    for (let i = 0; i < branch.taken; i++) {
      const did = branch.did[i];
      if (did !== undefined) this.#asleep.set(tasks[i]!, did);
    }
    return branch.taken;
  }

  stepping(task: Task): boolean {
    this.#close();
    if (this.#asleep.has(task)) return true;
    this.#task = task;
    if (isAtPoint(task)) this.passing(task.pointKind, task.pointObject);
    return false;
  }

  passing(kind: PointKind, object: number): void {
    this.#accesses.push({ kind, object });
  }

  /** The step that was being taken is over: whoever sleeps before one that it does not commute with wakes. */
  #close(): void {
    const accesses = this.#accesses;
    this.#accesses = [];
    if (this.#task === null) return;
    if (hasYielded(this.#task)) accesses.push(YIELD);
    wake(this.#asleep, accesses);
    if (this.#branch !== null) this.#branch.did[this.#branch.taken] ??= accesses;
    this.#task = null;
    this.#branch = null;
  }
}
