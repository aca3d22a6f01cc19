// RCU and SRCU with real reader counts: synchronize() really waits for the readers that were inside when it began.
//
// call() runs a callback after the same wait, in a task of its own.
//
// One implementation, two contexts: an SRCU reader may sleep, an RCU reader may not. As in Linux's SRCU readers are
// counted under one of two indices; a grace period flips the index and waits for the old one to drain. Linux must look
// at both, since its readers fetch the index and count themselves in two steps; here entering is one step, so that the
// side which is not current is empty outside grace periods and a grace period waits for no reader that came after it.
//
// Invariant: outside a grace period all readers are under the current index. Lock: the grace periods of one domain are
// serial.

import { bug } from '../units.ts';
import { accesses } from './accesses.ts';
import { removeLast } from './lastIn.ts';
import { at, points } from './points.ts';
import type { Scheduler } from './scheduler.ts';
import { type Awaited, mightSleep, type Steps, type Task } from './task.ts';
import { WaitQueue } from './wait.ts';
import { smpMb } from './weakMemory.ts';

export class Srcu implements Awaited {
  readonly id: number;
  readonly #sched: Scheduler;
  readonly #name: string;
  readonly #readersMaySleep: boolean;
  /** The tasks inside, by index; a task that nests its sections is there once for each. */
  readonly #inside: readonly [Task[], Task[]] = [[], []];
  readonly #drained: WaitQueue;
  readonly #idle: WaitQueue;
  readonly #called: WaitQueue;
  #index: 0 | 1 = 0;
  #busy = false;
  /** Given to call() and not invoked yet. */
  readonly #callbacks: (() => Steps)[] = [];
  /** How many were given to call(), and invoked, ever. */
  #queued = 0;
  #invoked = 0;

  constructor(sched: Scheduler, name: string, readersMaySleep = true) {
    this.#sched = sched;
    this.#name = name;
    this.#readersMaySleep = readersMaySleep;
    this.id = sched.lockId();
    this.#drained = new WaitQueue(sched, `${name}: readers`, this);
    this.#idle = new WaitQueue(sched, `${name}: grace period`, this);
    this.#called = new WaitQueue(sched, `${name}: callbacks`, this);
  }

  /** Read sections open now. */
  get readers(): number {
    return this.#inside[0].length + this.#inside[1].length;
  }

  holders(): readonly Task[] {
    return [...new Set(this.#inside.flat())];
  }

  /** Returns the index that readUnlock() wants back. */
  *readLock(): Steps<0 | 1> {
    if (points.on) yield at.lock(this);
    return this.enter();
  }

  /** readLock() itself: nobody waits for it. Preceded by at.lock(this). */
  enter(): 0 | 1 {
    const task = this.#sched.current;
    this.#inside[this.#index].push(task);
    this.#countSection(task, 1);
    smpMb(this.#sched);
    return this.#index;
  }

  /** By the task that entered. */
  *readUnlock(index: 0 | 1): Steps {
    if (points.on) yield at.lock(this);
    this.leave(index);
  }

  /** readUnlock() itself. Preceded by at.lock(this). */
  leave(index: 0 | 1): void {
    const task = this.#sched.current;
    const inside = this.#inside[index];
    if (!removeLast(inside, task)) bug(`${this.#name}: unlock without lock`, { task: task.name, index });
    if (points.on) accesses.observer?.release('lock', this.id, true);
    this.#countSection(task, -1);
    smpMb(this.#sched);
    if (inside.length === 0) this.#drained.wakeAll();
  }

  /**
   * Returns after every reader that was inside when the grace period began has left; later readers do not hold it up.
   * A reader of the same domain must not call it.
   */
  *synchronize(): Steps {
    const task = this.#sched.current;
    mightSleep(task, `synchronize: ${this.#name}`);
    if (this.#inside.some((readers) => readers.includes(task)))
      bug(`${this.#name}: synchronize inside a read section`, { task: task.name });
    yield* this.#idle.until(() => !this.#busy);
    this.#busy = true;
    const old = this.#index;
    this.#index = old === 0 ? 1 : 0;
    yield* this.#drained.until(() => this.#inside[old].length === 0);
    this.#busy = false;
    this.#idle.wakeAll();
  }

  /** Linux's call_srcu(): a task of its own runs `callback` after a grace period, where it must not sleep. */
  *call(callback: () => Steps): Steps {
    if (points.on) yield at.lock(this);
    this.#callbacks.push(callback);
    this.#queued++;
    if (this.#queued === this.#invoked + 1) this.#sched.spawn(`${this.#name}: callbacks`, this.#invoke());
  }

  /** Linux's srcu_barrier(): what was given to call() before has been run when it returns. */
  *barrier(): Steps {
    if (points.on) yield at.lock(this);
    const queued = this.#queued;
    yield* this.#called.until(() => this.#invoked >= queued);
  }

  /** srcu_invoke_callbacks(), until none is left: in order, and what comes meanwhile after a grace period of its own. */
  *#invoke(): Steps {
    const task = this.#sched.current;
    if (points.on) yield at.lock(this);
    while (this.#callbacks.length > 0) {
      const due = this.#callbacks.splice(0);
      yield* this.synchronize();
      task.atomicDepth++;
      for (const callback of due) yield* callback();
      task.atomicDepth--;
      if (points.on) yield at.lock(this);
      this.#invoked += due.length;
      this.#called.wakeAll();
    }
  }

  #countSection(task: Task, by: 1 | -1): void {
    if (this.#readersMaySleep) task.srcuDepth += by;
    else task.rcuDepth += by;
  }
}
