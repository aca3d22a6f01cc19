// Locks: spinlock, mutex, rwlock and rwsem, checked against the lock order at each acquire.
//
// Who waits is queued first come, first served; a writer that waits holds back later readers, as Linux's rwsem does.
// "Spinning" and "sleeping" differ in what the holder may do: a holder of a spinning lock must not sleep. Every acquire
// and release is announced by a point.
//
// Invariants: `writer` and `readers` are never both set; a task holds a lock at most once; a release is by a holder.

import { bug } from '../units.ts';
import type { LockClass } from './lockOrder.ts';
import { at, points } from './points.ts';
import type { Scheduler } from './scheduler.ts';
import { BLOCKED, type HeldLock, mightSleep, type Steps, type Task } from './task.ts';

function checkOrder(task: Task, lock: HeldLock): void {
  const rank = lock.lockClass.rank;
  for (const held of task.held) {
    if (held.lockClass.rank < rank) continue;
    if (held.lockClass === lock.lockClass && held.id !== lock.id && lock.lockClass.nests === 'all-locks')
      continue;
    bug('lock order violated', {
      task: task.name,
      acquires: lock.lockClass.name,
      holds: held.lockClass.name,
      same: held.id === lock.id,
    });
  }
}

abstract class Lock implements HeldLock {
  readonly id: number;
  readonly lockClass: LockClass;
  protected readonly sched: Scheduler;
  protected readonly waiters: { readonly task: Task; readonly exclusive: boolean }[] = [];

  constructor(sched: Scheduler, lockClass: LockClass) {
    this.sched = sched;
    this.lockClass = lockClass;
    this.id = sched.lockId();
  }

  protected enter(task: Task): void {
    task.held.push(this);
    if (this.lockClass.kind === 'spinning') task.atomicDepth++;
  }

  protected leave(task: Task): void {
    const index = task.held.lastIndexOf(this);
    if (index < 0)
      bug('lock released by a task that does not hold it', { lock: this.lockClass.name, task: task.name });
    task.held.splice(index, 1);
    if (this.lockClass.kind === 'spinning') task.atomicDepth--;
  }

  protected before(task: Task): void {
    checkOrder(task, this);
    if (this.lockClass.kind === 'sleeping') mightSleep(task, this.lockClass.name);
  }

  protected *wait(task: Task, exclusive: boolean): Steps {
    this.waiters.push({ task, exclusive });
    this.sched.block(this.lockClass.name);
    yield BLOCKED;
  }

  isHeldBy(task: Task): boolean {
    return task.held.includes(this);
  }

  /** Linux's lockdep_assert_held(): first line of a function whose name ends in Locked. */
  assertHeld(): void {
    if (!this.isHeldBy(this.sched.current))
      bug(`${this.lockClass.name} is not held`, { task: this.sched.current.name });
  }
}

/** A spinlock or a mutex, by its class. The grant is direct: release hands the lock to the first waiter. */
export class Mutex extends Lock {
  #owner: Task | null = null;

  get isLocked(): boolean {
    return this.#owner !== null;
  }

  *lock(): Steps {
    const task = this.sched.current;
    this.before(task);
    if (points.on) yield at.lock(this);
    if (this.#owner === null) this.#owner = task;
    else yield* this.wait(task, true);
    this.enter(task);
  }

  *tryLock(): Steps<boolean> {
    if (points.on) yield at.lock(this);
    if (this.#owner !== null) return false;
    const task = this.sched.current;
    this.#owner = task;
    this.enter(task);
    return true;
  }

  *unlock(): Steps {
    if (points.on) yield at.lock(this);
    this.leave(this.sched.current);
    const next = this.waiters.shift();
    this.#owner = next?.task ?? null;
    if (next !== undefined) this.sched.wake(next.task);
  }
}

/** A reader-writer lock or rwsem, by its class. */
export class RwLock extends Lock {
  #writer: Task | null = null;
  #readers = 0;

  *lockRead(): Steps {
    const task = this.sched.current;
    this.before(task);
    if (points.on) yield at.lock(this);
    if (this.#writer === null && this.waiters.length === 0) this.#readers++;
    else yield* this.wait(task, false);
    this.enter(task);
  }

  *lockWrite(): Steps {
    const task = this.sched.current;
    this.before(task);
    if (points.on) yield at.lock(this);
    if (this.#writer === null && this.#readers === 0) this.#writer = task;
    else yield* this.wait(task, true);
    this.enter(task);
  }

  *tryLockRead(): Steps<boolean> {
    if (points.on) yield at.lock(this);
    if (this.#writer !== null || this.waiters.length > 0) return false;
    this.#readers++;
    this.enter(this.sched.current);
    return true;
  }

  *unlock(): Steps {
    if (points.on) yield at.lock(this);
    const task = this.sched.current;
    this.leave(task);
    if (this.#writer === task) this.#writer = null;
    else this.#readers--;
    this.#grant();
  }

  /** Linux's mmap_write_downgrade(). */
  *downgrade(): Steps {
    if (points.on) yield at.lock(this);
    if (this.#writer !== this.sched.current)
      bug('downgrade without the write lock', { lock: this.lockClass.name });
    this.#writer = null;
    this.#readers++;
    this.#grant();
  }

  get isWriteLocked(): boolean {
    return this.#writer !== null;
  }

  assertHeldWrite(): void {
    if (this.#writer !== this.sched.current) {
      bug(`${this.lockClass.name} is not held for write`, { task: this.sched.current.name });
    }
  }

  #grant(): void {
    while (this.waiters.length > 0 && this.#writer === null) {
      const next = this.waiters[0]!;
      if (next.exclusive && this.#readers > 0) return;
      this.waiters.shift();
      if (next.exclusive) this.#writer = next.task;
      else this.#readers++;
      this.sched.wake(next.task);
    }
  }
}
