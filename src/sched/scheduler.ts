// The scheduler: runs tasks one at a time under a policy, keeps virtual time, and delivers timed events.
//
// Everything that runs on a host (vCPU threads, kswapd, the VMM) is a task here. A policy is asked whenever the running
// task stops; in run mode that is only when it blocks or gives the CPU away, so that exploration and running execute
// the very same code.
//
// Invariants: `current` is null between steps; virtual time never runs backwards; events of equal time are delivered
// in the order in which they were scheduled.

import { bug } from '../units.ts';
import { points } from './points.ts';
import type { Policy } from './policies.ts';
import { type Steps, Task, type Yielded } from './task.ts';

/** Virtual time in nanoseconds since the machine was built. */
export type Nanoseconds = number;

interface TimedEvent {
  readonly time: Nanoseconds;
  readonly order: number;
  readonly deliver: () => void;
}

export type Idle = 'deadlock' | 'idle';

export class Scheduler {
  readonly #policy: Policy;
  readonly #runnable: Task[] = [];
  readonly #events: TimedEvent[] = [];
  readonly tasks: Task[] = [];
  #nextId = 1;
  #nextOrder = 0;
  #nextLockId = 1;
  #current: Task | null = null;
  /** Virtual time, ns. */
  now: Nanoseconds = 0;
  /** Steps taken: resumptions of any task. */
  steps = 0;

  constructor(policy: Policy) {
    this.#policy = policy;
    points.on = policy.stopsAtPoints;
  }

  /** The running task (Linux's `current`). */
  get current(): Task {
    return this.#current ?? bug('no task is running');
  }

  get currentId(): number {
    return this.#current === null ? 0 : this.#current.id;
  }

  lockId(): number {
    return this.#nextLockId++;
  }

  spawn(name: string, body: Steps, cpu = 0): Task {
    const task = new Task(this.#nextId++, name, body, cpu);
    this.tasks.push(task);
    this.#runnable.push(task);
    return task;
  }

  /** Marks the running task blocked; it must yield BLOCKED next. */
  block(waitingFor: string): void {
    const task = this.current;
    task.state = 'blocked';
    task.waitingFor = waitingFor;
  }

  wake(task: Task): void {
    if (task.state !== 'blocked') return;
    task.state = 'runnable';
    task.waitingFor = '';
    this.#runnable.push(task);
  }

  /** Delivers `deliver` once virtual time has reached now + delay; it runs between steps and must not block. */
  after(delay: Nanoseconds, deliver: () => void): void {
    const event = { time: this.now + delay, order: this.#nextOrder++, deliver };
    let index = this.#events.length;
    while (index > 0 && isAfter(this.#events[index - 1]!, event)) index--;
    this.#events.splice(index, 0, event);
  }

  /** The time of the next event, or Infinity. */
  get nextEventTime(): Nanoseconds {
    return this.#events[0]?.time ?? Number.POSITIVE_INFINITY;
  }

  /** Time that the running task spent; due events are delivered before the next step. */
  spend(duration: Nanoseconds): void {
    this.now += duration;
  }

  /**
   * Runs tasks until `until()` holds, checked between steps. Returns 'idle' when it holds, 'deadlock' when nothing can
   * run any more although tasks are blocked (or none are left).
   */
  run(until: () => boolean): Idle {
    while (!until()) {
      this.#deliverDue();
      const task = this.#pick();
      if (task === null) {
        if (!this.#skipToEvent()) return 'deadlock';
        continue;
      }
      this.#step(task);
    }
    return 'idle';
  }

  #pick(): Task | null {
    const count = this.#runnable.length;
    if (count === 0) return null;
    const index = count === 1 ? 0 : this.#policy.pick(this.#runnable);
    const [task] = this.#runnable.splice(index, 1);
    return task ?? bug('policy picked no task', { index, count });
  }

  #step(task: Task): void {
    this.steps++;
    this.#current = task;
    points.kind = task.pointKind;
    points.object = task.pointObject;
    const result = task.body.next();
    this.#current = null;
    if (result.done) this.#finish(task);
    else this.#requeue(task, result.value);
  }

  #requeue(task: Task, yielded: Yielded): void {
    if (yielded.type === 'blocked') {
      // A wake between block() and this yield has already queued the task again.
      return;
    }
    if (yielded.type === 'point') {
      task.pointKind = yielded.kind;
      task.pointObject = yielded.object;
      this.#runnable.unshift(task);
      return;
    }
    this.#runnable.push(task);
  }

  #finish(task: Task): void {
    task.state = 'done';
    this.tasks.splice(this.tasks.indexOf(task), 1);
    if (task.held.length > 0) {
      bug('task ended with locks held', { task: task.name, held: task.held.map((l) => l.lockClass.name) });
    }
  }

  #deliverDue(): void {
    while (this.#events.length > 0 && this.#events[0]!.time <= this.now) this.#events.shift()!.deliver();
  }

  #skipToEvent(): boolean {
    const next = this.#events[0];
    if (next === undefined) return false;
    this.now = Math.max(this.now, next.time);
    return true;
  }
}

const isAfter = (a: TimedEvent, b: TimedEvent): boolean =>
  a.time > b.time || (a.time === b.time && a.order > b.order);
