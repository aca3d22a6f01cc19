// The scheduler: runs tasks one at a time under a policy, keeps virtual time, and delivers timed events.
//
// Everything that runs on a host (vCPU threads, kswapd, the VMM) is a task here. A policy is asked whenever the running
// task stops; in run mode that is only when it blocks or gives the CPU away, so that exploration and running execute
// the very same code.
//
// Invariants: `current` is null and points are off between steps; a task is in `tasks` from spawn until it ends or
// throws; it is in #runnable exactly while its state is 'runnable' and it does not run; virtual time never runs
// backwards; events of equal time are delivered in the order in which they were scheduled.

import { bug, UmbraBug } from '../units.ts';
import { describeBlocked } from './blocked.ts';
import { Lockdep } from './lockdep.ts';
import { type Point, points } from './points.ts';
import type { Policy } from './policies.ts';
import { type SchedTracepoints, Switches } from './switches.ts';
import { type Awaited, NO_POINT, type Steps, Task, type Yielded } from './task.ts';
import { WeakMemory } from './weakMemory.ts';

/** Virtual time in nanoseconds since the machine was built. */
export type Nanoseconds = number;

interface TimedEvent {
  readonly time: Nanoseconds;
  readonly order: number;
  readonly deliver: () => void;
}

/** Where a scheduler without tasks stands: its clock and its counters. */
export interface SchedulerState {
  readonly now: Nanoseconds;
  readonly steps: number;
  readonly nextId: number;
  readonly nextOrder: number;
  readonly nextLockId: number;
}

/** Why run() returned: its condition holds, or no task can run any more and no event is due. */
export type Idle = 'deadlock' | 'idle';

export class Scheduler {
  readonly #policy: Policy;
  readonly #runnable: Task[] = [];
  readonly #events: TimedEvent[] = [];
  readonly #tasks: Task[] = [];
  readonly #switches = new Switches();
  readonly lockdep = new Lockdep();
  readonly weak = new WeakMemory();
  /** Of every task that ever was, by id. */
  readonly #names: { readonly name: string; readonly cpu: number }[] = [];
  #nextId = 1;
  #nextOrder = 1;
  #nextLockId = 1;
  #current: Task | null = null;
  /** The last step ended at a plain point. */
  #isAtPoint = false;
  /** The condition of run(). */
  #until: () => boolean = () => false;
  /** What comes after the step that is about to end, where goesOn() has found out already. */
  #next: Task | Idle | null = null;
  /** Virtual time, ns. */
  now: Nanoseconds = 0;
  /** Steps taken: resumptions of any task. */
  steps = 0;
  /** Who wants to know of switches between tasks. */
  trace: SchedTracepoints | null = null;

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  /** The tasks that have not ended, in the order in which they were spawned. */
  get tasks(): readonly Task[] {
    return this.#tasks;
  }

  /** The running task (Linux's `current`). */
  get current(): Task {
    return this.#current ?? bug('no task is running');
  }

  /** Id of the running task, 0 between steps. */
  get currentId(): number {
    return this.#current === null ? 0 : this.#current.id;
  }

  /** A fresh id for an object that a point can name; unique on this scheduler, above 0. */
  lockId(): number {
    return this.#nextLockId++;
  }

  /** A new task on host CPU `cpu`, runnable, last in the queue. */
  spawn(name: string, body: Steps, cpu = 0): Task {
    const task = new Task(this.#nextId++, name, body, cpu);
    if (this.weak.on) this.weak.acquire(task.id);
    this.#tasks.push(task);
    this.#runnable.push(task);
    this.#names[task.id] = { name, cpu };
    this.#policy.woken?.(task, this.#current);
    return task;
  }

  /** Name and CPU of a task, ended ones included; null where there never was one. */
  taskOf(id: number): { readonly name: string; readonly cpu: number } | null {
    return this.#names[id] ?? null;
  }

  /** Marks the running task blocked; it must yield BLOCKED next, and check afterwards what it was woken for. */
  block(waitingFor: string, awaited: Awaited | null = null): void {
    const task = this.current;
    task.state = 'blocked';
    task.waitingFor = waitingFor;
    task.awaited = awaited;
  }

  /** Makes a blocked task runnable, last in the queue; nothing to do for any other. May be called between steps. */
  wake(task: Task): void {
    if (task.state !== 'blocked') return;
    task.state = 'runnable';
    task.waitingFor = '';
    task.awaited = null;
    this.#runnable.push(task);
    this.#policy.woken?.(task, this.#current);
    if (this.trace !== null) this.#switches.woken(task, this.trace);
  }

  /** For exploration, between two runs. */
  get state(): SchedulerState {
    const { now, steps } = this;
    return { now, steps, nextId: this.#nextId, nextOrder: this.#nextOrder, nextLockId: this.#nextLockId };
  }

  /** Forgets all tasks and events, wherever they stand, and goes back to `state`. Between steps. */
  restore(state: SchedulerState): void {
    // Whoever still has one of them in a queue wakes nobody.
    for (const task of this.#tasks) task.state = 'done';
    clear(this.#tasks);
    clear(this.#runnable);
    clear(this.#events);
    clear(this.#names, state.nextId);
    this.#nextId = state.nextId;
    this.#nextOrder = state.nextOrder;
    this.#nextLockId = state.nextLockId;
    this.now = state.now;
    this.steps = state.steps;
  }

  /** One line for each blocked task: what it waits for, held by whom, and what it holds. */
  describeBlocked(): string[] {
    return describeBlocked(this.#tasks);
  }

  /** Calls `deliver` between steps once virtual time has reached now + delay (see Policy); it must not block. */
  after(delay: Nanoseconds, deliver: () => void): void {
    if (!(delay >= 0)) bug('event scheduled in the past', { delay });
    const event = { time: this.now + delay, order: this.#nextOrder++, deliver };
    this.#policy.scheduled?.(event.order);
    let index = this.#events.length;
    while (index > 0 && isAfter(this.#events[index - 1]!, event)) index--;
    this.#events.splice(index, 0, event);
  }

  /** The time of the next event, or Infinity. */
  get nextEventTime(): Nanoseconds {
    return this.#events[0]?.time ?? Number.POSITIVE_INFINITY;
  }

  /** Number of the next event, in the order in which they were scheduled; 0: there is none. */
  get nextEvent(): number {
    return this.#events.length === 0 ? 0 : this.#events[0]!.order;
  }

  /** The next event comes now: time goes on to it. Between steps, or before one is taken. */
  deliverNext(): void {
    if (this.#skipToEvent()) this.#deliverFirst();
  }

  /** Time that the running task spent; due events are delivered before the next step. */
  spend(duration: Nanoseconds): void {
    if (!(duration >= 0)) bug('virtual time runs backwards', { duration });
    this.now += duration;
  }

  /**
   * Runs tasks until `until()` holds, checked between steps: 'idle'. Answers 'deadlock' when no task is runnable and no
   * event is pending, be it that all tasks are blocked (describeBlocked) or that none are left. An error thrown by a
   * task ends the run; a bug carries the task's name and the step.
   */
  run(until: () => boolean): Idle {
    this.#until = until;
    this.#next = null;
    for (;;) {
      const next = this.#next ?? this.#choose();
      this.#next = null;
      if (typeof next === 'string') return next;
      this.#begin(next);
      this.#resume(next);
    }
  }

  /**
   * The running task has come to `point`, and everything happens that does between two steps. True: it is the one that
   * goes on, and its next step has begun. False: it must yield the point. Saves a search that seldom switches the way
   * up and down the generators of a deep call.
   */
  goesOn(point: Point): boolean {
    const task = this.current;
    this.#leave();
    this.#stopAt(task, point);
    const next = this.#choose();
    if (next === task) {
      this.#begin(task);
      return true;
    }
    this.#next = next;
    return false;
  }

  /** Between two steps: the task that takes the next, or why there is none. */
  #choose(): Task | Idle {
    while (!this.#until()) {
      if (!this.#isAtPoint || this.#policy.interruptsAtPoints !== false) this.#deliverDue();
      const task = this.#pick();
      if (task !== null) return task;
      if (!this.#skipToEvent()) return 'deadlock';
    }
    return 'idle';
  }

  #pick(): Task | null {
    const runnable = this.#runnable;
    const count = runnable.length;
    if (count === 0) return null;
    const index = count === 1 ? 0 : this.#policy.pick(runnable);
    const task = runnable[index] ?? bug('policy picked no task', { index, count });
    // Not splice(), which allocates: this runs once a step.
    for (let i = index + 1; i < count; i++) runnable[i - 1] = runnable[i]!;
    runnable.pop();
    return task;
  }

  #begin(task: Task): void {
    this.steps++;
    if (this.trace !== null && this.trace.sched_switch !== null)
      this.#switches.to(task, this.trace.sched_switch);
    if (this.weak.on) this.weak.step();
    this.#policy.stepping?.(task);
    this.#current = task;
    points.on = this.#policy.stopsAtPoints;
    points.kind = task.pointKind;
    points.object = task.pointObject;
    this.#isAtPoint = false;
  }

  #leave(): void {
    this.#current = null;
    points.on = false;
  }

  #resume(task: Task): void {
    try {
      const result = task.body.next();
      if (result.done) this.#finish(task);
      else if (this.#next === null) this.#requeue(task, result.value);
    } catch (error) {
      if (error instanceof UmbraBug) error.addDetails({ task: task.name, step: this.steps });
      this.#forget(task);
      throw error;
    } finally {
      this.#leave();
    }
    const onSwitch = this.trace === null ? null : this.trace.sched_switch;
    if (onSwitch !== null && task.state !== 'runnable' && !this.#runnable.some(({ cpu }) => cpu === task.cpu))
      this.#switches.idle(task, onSwitch);
  }

  #stopAt(task: Task, { kind, object }: Point): void {
    task.pointKind = kind;
    task.pointObject = object;
    this.#isAtPoint = true;
    // Not unshift(), which is slow: this runs once a step.
    const runnable = this.#runnable;
    for (let i = runnable.length; i > 0; i--) runnable[i] = runnable[i - 1]!;
    runnable[0] = task;
  }

  #requeue(task: Task, yielded: Yielded): void {
    // schedule() is a full barrier.
    if (this.weak.on && yielded.type !== 'point') this.weak.full(task.id);
    if (yielded.type === 'blocked') {
      // Whoever was woken between block() and this stop is queued already.
      if (task.state === 'runnable' && !this.#runnable.includes(task)) bug('BLOCKED without block()');
      task.pointObject = NO_POINT;
      return;
    }
    if (task.state !== 'runnable') bug('block() without BLOCKED', { waitingFor: task.waitingFor });
    if (yielded.type === 'point') this.#stopAt(task, yielded);
    else {
      task.pointObject = NO_POINT;
      task.isGettingOn = yielded.type === 'cond_resched';
      this.#runnable.push(task);
    }
  }

  #finish(task: Task): void {
    if (this.weak.on) this.weak.full(task.id);
    this.#forget(task);
    if (task.held.length > 0)
      bug('task ended with locks held', { held: task.held.map(({ lockClass }) => lockClass.name) });
    if (task.rcuDepth + task.srcuDepth + task.nonBlockableDepth + task.heldMaps.length > 0)
      bug('task ended inside a read or non-blockable section');
  }

  #forget(task: Task): void {
    task.state = 'done';
    const index = this.#tasks.indexOf(task);
    if (index >= 0) this.#tasks.splice(index, 1);
  }

  #deliverDue(): void {
    while (this.#events.length > 0 && this.#events[0]!.time <= this.now) this.#deliverFirst();
  }

  #deliverFirst(): void {
    const event = this.#events.shift()!;
    this.#policy.delivering?.(event.order);
    event.deliver();
  }

  #skipToEvent(): boolean {
    const next = this.#events[0];
    if (next === undefined) return false;
    this.now = Math.max(this.now, next.time);
    return true;
  }
}

/** Shortens `list`, which keeps its memory; to set its length would not. */
function clear(list: unknown[], length = 0): void {
  while (list.length > length) list.pop();
}

const isAfter = (a: TimedEvent, b: TimedEvent): boolean =>
  a.time > b.time || (a.time === b.time && a.order > b.order);
