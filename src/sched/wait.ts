// Wait queues: a task sleeps until a condition holds; whoever makes it true wakes the queue.
//
// The condition is evaluated again after each wake-up (Linux's wait_event), so a wake-up may be spurious but never lost:
// between the evaluation and the sleep no other task runs.

import { at, points } from './points.ts';
import type { Scheduler } from './scheduler.ts';
import { BLOCKED, mightSleep, type Steps, type Task } from './task.ts';

export class WaitQueue {
  readonly id: number;
  readonly #sched: Scheduler;
  readonly #name: string;
  readonly #waiters: Task[] = [];

  constructor(sched: Scheduler, name: string) {
    this.#sched = sched;
    this.#name = name;
    this.id = sched.lockId();
  }

  /** Sleeps until `condition()` holds. Linux's wait_event(). */
  *until(condition: () => boolean): Steps {
    mightSleep(this.#sched.current, this.#name);
    if (points.on) yield at.lock(this);
    while (!condition()) {
      this.#waiters.push(this.#sched.current);
      this.#sched.block(this.#name);
      yield BLOCKED;
      if (points.on) yield at.lock(this);
    }
  }

  /** Linux's wake_up_all(); may be called between steps, by an event. */
  wakeAll(): void {
    for (const task of this.#waiters.splice(0)) this.#sched.wake(task);
  }

  get hasWaiters(): boolean {
    return this.#waiters.length > 0;
  }
}
