// Wait queues: a task sleeps until a condition holds; whoever makes it true wakes the queue.
//
// The condition is evaluated again after each wake-up (Linux's wait_event), so a wake-up may be spurious but never lost:
// between the evaluation and the sleep no other task runs. The queue's point announces what the condition reads.
//
// Invariant: a task is in the queue only while it is blocked in until().

import { accesses } from './accesses.ts';
import { at, points } from './points.ts';
import type { Scheduler } from './scheduler.ts';
import { type Awaited, BLOCKED, mightSleep, type Steps, type Task } from './task.ts';
import { smpMb } from './weakMemory.ts';

export class WaitQueue {
  readonly id: number;
  readonly #sched: Scheduler;
  readonly #name: string;
  readonly #owner: Awaited | null;
  readonly #waiters: Task[] = [];

  /** `owner` is the object whose state the conditions read, and which names those who can make them true. */
  constructor(sched: Scheduler, name: string, owner: Awaited | null = null) {
    this.#sched = sched;
    this.#name = name;
    this.#owner = owner;
    this.id = owner?.id ?? sched.lockId();
  }

  /**
   * Sleeps until `condition()` holds; it still does when this returns. Linux's wait_event(). The condition must only
   * look.
   */
  *until(condition: () => boolean): Steps {
    const task = this.#sched.current;
    mightSleep(task, this.#name);
    if (points.on) yield at.lock(this);
    while (!condition()) {
      this.#waiters.push(task);
      this.#sched.block(this.#name, this.#owner);
      yield BLOCKED;
      this.#forget(task);
      if (points.on) yield at.lock(this);
    }
    if (points.on) accesses.observer?.acquire('lock', this.id, false);
  }

  /**
   * Linux's wake_up_all(); may be called between steps, by an event. The caller has made the condition true in the same
   * step or an earlier one.
   */
  wakeAll(): void {
    if (points.on) accesses.observer?.release('lock', this.id, true);
    if (this.#waiters.length === 0) return;
    smpMb(this.#sched);
    for (const task of this.#waiters.splice(0)) this.#sched.wake(task);
  }

  get hasWaiters(): boolean {
    return this.#waiters.length > 0;
  }

  /** A task that was woken past the queue is still in it (finish_wait). */
  #forget(task: Task): void {
    const index = this.#waiters.indexOf(task);
    if (index >= 0) this.#waiters.splice(index, 1);
  }
}
