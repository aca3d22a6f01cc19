// The folio lock (PG_locked) and waiting for a page flag (mm/filemap.c: folio_lock, folio_wait_bit, folio_unlock).
//
// Faults and reclaim lock a folio around swap-in, swap-out and unmapping; a read locks a new folio on behalf of the
// device, and the completion unlocks it. Waiters queue in a small hashed table, as in Linux.
//
// Invariants: a task waits for a second folio lock only in the order of a file's pages; while it has one, its `held` list
// shows the marker of the host, so that the lock order is checked. Sleeping for it follows LOCKS.folio_lock; trylock is
// legal anywhere.

import {
  accesses,
  at,
  LOCKS,
  mightSleep,
  points,
  type Scheduler,
  type Steps,
  WaitQueue,
} from '../../sched/index.ts';
import { bug, type Pfn } from '../../units.ts';
import { type Frames, PG_locked, type PG_writeback } from './frames.ts';

const WAIT_TABLE_SIZE = 16;

export class FolioLocks {
  readonly #sched: Scheduler;
  readonly #frames: Frames;
  readonly #marker: { readonly id: number; readonly lockClass: typeof LOCKS.folio_lock };
  readonly #waitTable: WaitQueue[];

  constructor(sched: Scheduler, frames: Frames) {
    this.#sched = sched;
    this.#frames = frames;
    this.#marker = { id: sched.lockId(), lockClass: LOCKS.folio_lock };
    this.#waitTable = Array.from({ length: WAIT_TABLE_SIZE }, () => new WaitQueue(sched, 'folio flag'));
  }

  // The plain ones are one atomic step each: preceded by at.page(pfn).

  /** folio_trylock(). */
  tryLock(pfn: Pfn): boolean {
    if (this.#frames.testAndSet(pfn, PG_locked)) return false;
    if (points.on) accesses.observer?.acquire('page', pfn, false);
    this.#sched.current.take(this.#marker);
    return true;
  }

  /**
   * folio_lock(): may sleep; the caller has a reference. `behind`: what the task has locked already are folios of the same
   * file, before this one.
   */
  *lock(pfn: Pfn, behind = false): Steps {
    this.#checkOrder(behind);
    if (points.on) yield at.page(pfn);
    while (!this.tryLock(pfn)) {
      yield* this.wait(pfn, PG_locked);
      if (points.on) yield at.page(pfn);
    }
  }

  /** folio_unlock() by the task that locked it. */
  unlock(pfn: Pfn): void {
    this.#dropMarker(pfn);
    this.unlockForDevice(pfn);
  }

  /** __folio_set_locked(): a new folio that nobody can find yet; the device unlocks it. */
  lockForDevice(pfn: Pfn): void {
    this.#frames.set(pfn, PG_locked);
  }

  /** A folio that the task has locked is to be read: the device unlocks it. */
  handToDevice(pfn: Pfn): void {
    if (!this.#frames.test(pfn, PG_locked)) bug('folio handed to a device unlocked', { pfn });
    this.#dropMarker(pfn);
  }

  /** folio_unlock() by the completion of a read. */
  unlockForDevice(pfn: Pfn): void {
    if (points.on) accesses.observer?.release('page', pfn, false);
    if (!this.#frames.testAndClear(pfn, PG_locked)) bug('folio unlocked twice', { pfn });
    this.wake(pfn);
  }

  /**
   * Sleeps until `flag` is clear (folio_wait_locked, folio_wait_writeback); the caller has a reference, or does not mind
   * if the frame is another's by then.
   */
  *wait(pfn: Pfn, flag: typeof PG_locked | typeof PG_writeback): Steps {
    yield* this.#queueOf(pfn).until(() => (this.#frames.flags[pfn]! & flag) === 0);
  }

  /** folio_wake_bit(): a flag of the folio was cleared. */
  wake(pfn: Pfn): void {
    const queue = this.#queueOf(pfn);
    if (queue.hasWaiters) queue.wakeAll();
  }

  #dropMarker(pfn: Pfn): void {
    if (!this.#sched.current.drop(this.#marker))
      bug('folio unlocked by a task that does not hold it', { pfn });
  }

  #queueOf(pfn: Pfn): WaitQueue {
    return this.#waitTable[pfn % WAIT_TABLE_SIZE]!;
  }

  #checkOrder(behind: boolean): void {
    const task = this.#sched.current;
    mightSleep(task, LOCKS.folio_lock.name);
    for (const { lockClass } of task.held) {
      const isSame = lockClass === LOCKS.folio_lock;
      if (isSame ? !behind : lockClass.rank >= LOCKS.folio_lock.rank)
        bug('lock order violated', {
          task: task.name,
          acquires: LOCKS.folio_lock.name,
          holds: lockClass.name,
        });
    }
  }
}
