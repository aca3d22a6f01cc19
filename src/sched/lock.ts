// Locks: spinlock, mutex, rwlock and rwsem, checked against the lock order at each acquire.
//
// Who waits is queued first come, first served; a writer that waits holds back later readers, as Linux's rwsem does.
// "Spinning" and "sleeping" differ in what the holder may do: a holder of a spinning lock must not sleep. A release hands
// the lock to the first waiter directly: nobody can barge in between. Every acquire and release is announced by a point.
// On the path of a page fault lock() and unlock() stand in their parts, since a generator is what costs most there:
//     if (points.on) yield at.lock(lock);
//     if (!lock.take()) yield* lock.wait();
//
// Invariants: `writer` and `readers` are never both set; a task holds a lock at most once; a release is by a holder; a
// lock that is free has no waiters.

import { bug } from '../units.ts';
import { accesses } from './accesses.ts';
import type { LockClass } from './lockOrder.ts';
import { at, points } from './points.ts';
import type { Scheduler } from './scheduler.ts';
import { type Awaited, BLOCKED, type HeldLock, mightSleep, type Steps, type Task } from './task.ts';
import { smpWmb } from './weakMemory.ts';

/** May `task`, which holds another lock of the same class, take `lock` as well? */
function mayNest(task: Task, { lockClass }: HeldLock): boolean {
  return task.held.some((held) => held.lockClass.name === lockClass.nestsUnder);
}

function checkOrder(task: Task, lock: HeldLock): void {
  const rank = lock.lockClass.rank;
  for (const held of task.held) {
    if (held.lockClass.rank < rank) continue;
    const isSameClass = held.lockClass === lock.lockClass && held.id !== lock.id;
    if (isSameClass && (mayNest(task, lock) || (lock.lockClass.nestsById && held.id < lock.id))) continue;
    bug('lock order violated', {
      task: task.name,
      acquires: lock.lockClass.name,
      holds: held.lockClass.name,
      same: held.id === lock.id,
    });
  }
}

interface Waiter {
  readonly task: Task;
  readonly exclusive: boolean;
  granted: boolean;
}

abstract class Lock implements HeldLock, Awaited {
  readonly id: number;
  readonly lockClass: LockClass;
  protected readonly sched: Scheduler;
  protected readonly waiters: Waiter[] = [];

  constructor(sched: Scheduler, lockClass: LockClass) {
    this.sched = sched;
    this.lockClass = lockClass;
    this.id = sched.lockId();
  }

  protected enter(task: Task): void {
    task.take(this);
    if (points.on) accesses.observer?.acquire('lock', this.id, this.isShared(task));
    if (this.sched.weak.on) this.sched.weak.acquire(task.id);
  }

  protected leave(task: Task): void {
    if (points.on) accesses.observer?.release('lock', this.id, this.isShared(task));
    if (!task.drop(this))
      bug('lock released by a task that does not hold it', { lock: this.lockClass.name, task: task.name });
    if (this.sched.weak.on) this.sched.weak.release(task.id);
  }

  /** Whether `task`, which holds it, may not be alone. */
  protected isShared(_task: Task): boolean {
    return false;
  }

  protected before(task: Task): void {
    checkOrder(task, this);
    this.sched.lockdep.acquire(task, this.lockClass);
    if (this.lockClass.kind === 'sleeping') mightSleep(task, this.lockClass.name);
  }

  /**
   * Returns once grant() has made the lock the running task's, which could not take it; a wake-up for another reason does
   * not count. Preceded by at.lock(this).
   */
  *wait(exclusive = true): Steps {
    const task = this.sched.current;
    const waiter: Waiter = { task, exclusive, granted: false };
    this.waiters.push(waiter);
    while (!waiter.granted) {
      this.sched.block(this.lockClass.name, this);
      yield BLOCKED;
    }
    this.enter(task);
  }

  protected grant(waiter: Waiter): void {
    waiter.granted = true;
    this.sched.wake(waiter.task);
  }

  isHeldBy(task: Task): boolean {
    return task.held.includes(this);
  }

  holders(): readonly Task[] {
    return this.sched.tasks.filter((task) => this.isHeldBy(task));
  }

  /** Linux's lockdep_assert_held(): first line of a function whose name ends in Locked. */
  assertHeld(): void {
    if (!this.isHeldBy(this.sched.current))
      bug(`${this.lockClass.name} is not held`, { task: this.sched.current.name });
  }
}

/** A spinlock or a mutex, by its class. */
export class Mutex extends Lock {
  #owner: Task | null = null;

  get isLocked(): boolean {
    return this.#owner !== null;
  }

  /** spin_lock() or mutex_lock(). */
  *lock(): Steps {
    if (points.on) yield at.lock(this);
    if (!this.take()) yield* this.wait();
  }

  /** The first part of lock(): false when somebody has it, and wait() must follow. Preceded by at.lock(this). */
  take(): boolean {
    const task = this.sched.current;
    this.before(task);
    if (this.#owner !== null) return false;
    this.#owner = task;
    this.enter(task);
    return true;
  }

  /** spin_trylock() or mutex_trylock(): never waits, so it is legal anywhere and against the lock order. */
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
    this.release();
  }

  /** unlock() itself. Preceded by at.lock(this). */
  release(): void {
    this.leave(this.sched.current);
    const next = this.waiters.shift();
    this.#owner = next?.task ?? null;
    if (next !== undefined) this.grant(next);
  }
}

/** A reader-writer lock or rwsem, by its class. A reader that already holds it must not take it again. */
export class RwLock extends Lock {
  #writer: Task | null = null;
  #readers = 0;

  /** read_lock() or down_read(): queues behind a writer that waits. */
  *lockRead(): Steps {
    if (points.on) yield at.lock(this);
    if (!this.takeRead()) yield* this.wait(false);
  }

  /** As Mutex.take(), for lockRead(); then comes wait(false). Preceded by at.lock(this). */
  takeRead(): boolean {
    const task = this.sched.current;
    this.before(task);
    if (this.#writer !== null || this.waiters.length > 0) return false;
    this.#readers++;
    this.enter(task);
    return true;
  }

  /** write_lock() or down_write(). */
  *lockWrite(): Steps {
    if (points.on) yield at.lock(this);
    if (!this.takeWrite()) yield* this.wait();
  }

  /** As Mutex.take(), for lockWrite(). Preceded by at.lock(this). */
  takeWrite(): boolean {
    const task = this.sched.current;
    this.before(task);
    if (this.#writer !== null || this.#readers > 0) return false;
    this.#writer = task;
    this.enter(task);
    return true;
  }

  /** down_read_trylock(): false also when a writer waits. Legal anywhere and against the lock order. */
  *tryLockRead(): Steps<boolean> {
    if (points.on) yield at.lock(this);
    if (this.#writer !== null || this.waiters.length > 0) return false;
    this.#readers++;
    this.enter(this.sched.current);
    return true;
  }

  /** By a reader or the writer; which of the two is known. */
  *unlock(): Steps {
    if (points.on) yield at.lock(this);
    this.release();
  }

  /** unlock() itself. Preceded by at.lock(this). */
  release(): void {
    const task = this.sched.current;
    this.leave(task);
    if (this.#writer === task) this.#writer = null;
    else this.#readers--;
    this.#grant();
  }

  /** downgrade_write(): the writer becomes a reader, and the readers that wait ahead of the next writer come in. */
  *downgrade(): Steps {
    if (points.on) yield at.lock(this);
    if (this.#writer !== this.sched.current)
      bug('downgrade without the write lock', { lock: this.lockClass.name });
    if (points.on) accesses.observer?.release('lock', this.id, false);
    this.#writer = null;
    this.#readers++;
    smpWmb(this.sched);
    this.#grant();
  }

  protected override isShared(task: Task): boolean {
    return this.#writer !== task;
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
      this.grant(next);
    }
  }
}
