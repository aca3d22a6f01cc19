// Tasks: kernel threads and vCPU threads as generators, and what each holds while it runs.
//
// A task yields a Point (it is about to touch shared state) or a Stop (it blocks until somebody wakes it, or gives the
// CPU away). `yield*` at a call site is therefore the might_sleep annotation.
//
// Invariant: a task that holds a spinning lock, is inside an RCU read section or a non-blockable section never stops
// to sleep; `mightSleep` checks it. Waiting for a spinning lock or for another CPU's acknowledgement is not sleeping.

import { bug } from '../units.ts';
import type { LockClass } from './lockOrder.ts';
import type { Point, PointKind } from './points.ts';

/** Why a task left the CPU other than at a point. */
export interface Stop {
  readonly type: 'blocked' | 'resched' | 'cond_resched';
}
/** Yielded directly after Scheduler.block(): the task runs again once somebody has woken it. */
export const BLOCKED: Stop = { type: 'blocked' };
/** The task stays runnable and goes to the end of the queue: it may be another's turn to do what it waits for. */
export const RESCHED: Stop = { type: 'resched' };
/** The same as Linux's cond_resched(), in a loop that gets on with its work whatever others do. */
export const COND_RESCHED: Stop = { type: 'cond_resched' };

export type Yielded = Point | Stop;
/** A kernel function that can be pre-empted or sleep. */
export type Steps<T = void> = Generator<Yielded, T, void>;

/** Linux's lockdep_map without a lock: a class of its own in the graph of lockdep.ts. */
export interface LockMap {
  readonly name: string;
  readonly index: number;
}

export interface HeldLock {
  readonly id: number;
  readonly lockClass: LockClass;
}

/** What a task can wait for. */
export interface Awaited {
  readonly id: number;
  /** The tasks that could end the wait, as far as they are known; for the deadlock report. */
  holders(): readonly Task[];
}

export type TaskState = 'runnable' | 'blocked' | 'done';

/** The point of a task that stands before none. */
export const NO_POINT = -1;

export class Task {
  readonly id: number;
  readonly name: string;
  readonly body: Steps;
  /** The host CPU that it runs on (smp_processor_id()). */
  readonly cpu: number;
  state: TaskState = 'runnable';
  /** What it waits for, in words, while blocked. */
  waitingFor = '';
  awaited: Awaited | null = null;
  /** The point it stands before, copied from the reused Point; NO_POINT after any other stop. */
  pointKind: PointKind = 'lock';
  pointObject = NO_POINT;
  /** Where it gave the CPU away: it did so as COND_RESCHED. */
  isGettingOn = false;

  /** Points that it has passed in a run that is explored; the explorer counts them. */
  steps = 0;

  readonly held: HeldLock[] = [];
  /** Of no lock, but of what may wait for locks (lockdep.ts). */
  readonly heldMaps: LockMap[] = [];
  /** Spinning locks held (preempt_count). */
  atomicDepth = 0;
  /** RCU read sections entered. */
  rcuDepth = 0;
  /** SRCU read sections entered; they may sleep. */
  srcuDepth = 0;
  /** Linux's non_block_start() sections entered. */
  nonBlockableDepth = 0;

  constructor(id: number, name: string, body: Steps, cpu = 0) {
    this.id = id;
    this.name = name;
    this.body = body;
    this.cpu = cpu;
  }

  /** From now on the task holds `lock`. Here, and not where locks are: the loader logs no change of a task. */
  take(lock: HeldLock): void {
    this.held.push(lock);
    if (lock.lockClass.kind === 'spinning') this.atomicDepth++;
  }

  /** False: the task does not hold it. */
  drop(lock: HeldLock): boolean {
    const { held } = this;
    let index = held.length - 1;
    // Mostly it is the last.
    while (index >= 0 && held[index] !== lock) index--;
    if (index < 0) return false;
    // Not splice(), which allocates.
    for (let i = index + 1; i < held.length; i++) held[i - 1] = held[i]!;
    held.pop();
    if (lock.lockClass.kind === 'spinning') this.atomicDepth--;
    return true;
  }
}

/** Linux's non_block_start(): until its end the task must not sleep; it may wait for spinning locks. */
export const nonBlockStart = (task: Task): void => {
  task.nonBlockableDepth++;
};

export function nonBlockEnd(task: Task): void {
  if (task.nonBlockableDepth-- === 0) bug('non_block_end() without a start', { task: task.name });
}

/** Linux's might_sleep(): a bug in atomic, RCU and non-blockable context. */
export function mightSleep(task: Task, where: string): void {
  if (task.atomicDepth + task.rcuDepth + task.nonBlockableDepth === 0) return;
  bug(`sleeping function called from invalid context: ${where}`, {
    task: task.name,
    atomic: task.atomicDepth,
    rcu: task.rcuDepth,
    nonBlockable: task.nonBlockableDepth,
    held: task.held.map((lock) => lock.lockClass.name),
  });
}
