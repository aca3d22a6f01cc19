// The policy that the explorer gives a world's scheduler: it stops at every point and asks a strategy who goes on.
//
// It keeps what every strategy needs: which task ran last, whether that one could go on, who has merely yielded, how many
// steps each has taken, which objects more than one task touches; and it writes down the schedule as it happens.
//
// A task that gave the CPU away (cond_resched, a retry) waits until another has taken a step, where another can: what it
// looks at cannot have changed before. That, and the limit on steps, is all that retry loops need.

import type { Policy, Task } from '../sched/index.ts';
import { bug } from '../units.ts';
import type { Deviation } from './schedule.ts';

/** What a strategy chooses from. */
export interface Choice {
  /** Those that may go on: the default first, the rest in the order in which they became runnable. */
  readonly tasks: readonly Task[];
  /** The first is the task that ran last, stopped at a point: to choose another pre-empts it. */
  readonly preempts: boolean;
  /** The last task's next access is to an object that no other task has ever touched. */
  readonly isPrivate: boolean;
}

export interface Strategy {
  /** Index into choice.tasks. */
  choose(choice: Choice): number;
  /** Told of each step. */
  stepping?(task: Task): void;
}

/** The schedule without deviations. */
export const STRAIGHT: Strategy = { choose: () => 0 };

export class Steering implements Policy {
  stopsAtPoints = false;
  strategy: Strategy = STRAIGHT;
  /** What was chosen against the default, in this run. */
  readonly deviations: Deviation[] = [];
  preemptions = 0;
  /** Objects by kind and number: the one task that has touched it, or MANY. Grows over all runs of a search. */
  readonly #touchedBy = new Map<string, string>();
  /** Objects that turned out to be shared since the last look. */
  newlyShared = 0;
  #last: Task | null = null;
  readonly #steps = new Map<Task, number>();
  /** Who has yielded and not seen a step of another since. */
  #idler: Task | null = null;

  begin(strategy: Strategy): void {
    this.strategy = strategy;
    this.stopsAtPoints = true;
    this.deviations.length = 0;
    this.preemptions = 0;
    this.#last = null;
    this.#idler = null;
    this.#steps.clear();
  }

  end(): void {
    this.stopsAtPoints = false;
    this.strategy = STRAIGHT;
  }

  pick(runnable: readonly Task[]): number {
    if (!this.stopsAtPoints) return 0;
    const last = this.#last;
    const goesOn = last !== null && runnable[0] === last && isAtPoint(last);
    if (last !== null && !goesOn && runnable.at(-1) === last) this.#idler = last;
    const tasks = runnable.filter((task) => task !== this.#idler);
    if (tasks.length === 1) return runnable.indexOf(tasks[0]!);
    const choice = { tasks, preempts: goesOn, isPrivate: goesOn && this.#isPrivate(last) };
    const index = this.strategy.choose(choice);
    const chosen = tasks[index] ?? bug('a strategy chose no task', { index, count: tasks.length });
    if (index !== 0) {
      if (goesOn) this.preemptions++;
      this.deviations.push({ after: last?.name ?? '', steps: this.stepsOf(last), to: chosen.name });
    }
    return runnable.indexOf(chosen);
  }

  stepping(task: Task): void {
    if (!this.stopsAtPoints) return;
    if (task !== this.#idler) this.#idler = null;
    this.#last = task;
    this.#steps.set(task, this.stepsOf(task) + 1);
    if (isAtPoint(task)) this.#touch(task);
    this.strategy.stepping?.(task);
  }

  stepsOf(task: Task | null): number {
    return task === null ? 0 : (this.#steps.get(task) ?? 0);
  }

  #touch(task: Task): void {
    const object = objectOf(task);
    const owner = this.#touchedBy.get(object);
    if (owner === task.name || owner === MANY) return;
    if (owner !== undefined) this.newlyShared++;
    this.#touchedBy.set(object, owner === undefined ? task.name : MANY);
  }

  #isPrivate(task: Task): boolean {
    const owner = this.#touchedBy.get(objectOf(task));
    return owner === undefined || owner === task.name;
  }
}

const MANY = '';
const objectOf = (task: Task): string => `${task.pointKind} ${task.pointObject}`;

/** Stopped before an access, not by blocking or yielding. */
export const isAtPoint = (task: Task): boolean => task.pointObject !== -1;
