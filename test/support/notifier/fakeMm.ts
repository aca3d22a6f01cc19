// A small mm for tests of notifier/: pages, the locks that the chain stands on, and operations whose phases a test can
// put in another order, so that the rules are seen to fail.
//
// Frames are numbers; a freed one goes into `freed` and is never used again.

import {
  createNotifierEnvironment,
  type MmuNotifierRange,
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierInvalidateRangeStartNonblock,
  mmuNotifierRelease,
  mmuNotifierSubscriptionsDestroy,
  type NotifierEnvironment,
  type NotifierMm,
  type NotifierSubscriptions,
} from '../../../src/notifier/index.ts';
import {
  at,
  LOCKS,
  Mutex,
  points,
  RwLock,
  type Scheduler,
  type Srcu,
  type Steps,
} from '../../../src/sched/index.ts';
import { Trace } from '../../../src/trace/index.ts';
import { Errno, type Hva, hva, PAGE_SIZE } from '../../../src/units.ts';
import { Verdict } from './verdict.ts';

/** What unmapping a page consists of. */
export type Phase = 'lock' | 'start' | 'lock pte' | 'clear' | 'unlock pte' | 'end' | 'unlock' | 'free';
/** The order of the reference, table 3. */
export const UNMAP: readonly Phase[] = [
  'lock',
  'start',
  'lock pte',
  'clear',
  'unlock pte',
  'end',
  'unlock',
  'free',
];

/** Told of each change of a PTE, with the range of the operation that changes it. */
export interface PteWatcher {
  pteChanges(range: MmuNotifierRange): void;
}

/** Which locks mm_take_all_locks() and mmu_notifier_register() leave out: mutants of the mm. */
export interface FakeMmMutation {
  readonly registersWithoutMmapLock?: boolean;
  readonly takesNoRmapLocks?: boolean;
  readonly srcu?: (sched: Scheduler) => Srcu;
}

/** Page 0 lies at 4096, so that page i is mapped to frame i + 1. */
export const pageAt = (index: number): Hva => hva((index + 1) * PAGE_SIZE);
export const frameAt = (address: Hva): number => address / PAGE_SIZE;

export class FakeMm implements NotifierMm {
  readonly id = 1;
  readonly notifierEnvironment: NotifierEnvironment;
  notifierSubscriptions: NotifierSubscriptions | null = null;
  mmUsers = 1;
  mmCount = 1;
  /** A fatal signal is pending: mm_take_all_locks() answers -EINTR. */
  interrupted = false;

  readonly sched: Scheduler;
  readonly verdict = new Verdict();
  readonly watchers: PteWatcher[] = [];
  readonly frames = new Map<Hva, number>();
  readonly freed = new Set<number>();

  readonly mmapLock: RwLock;
  readonly rmapLock: RwLock;
  readonly otherRmapLock: RwLock;
  readonly pteLock: Mutex;
  readonly #allLocksMutex: Mutex;
  readonly #mutation: FakeMmMutation;

  /** With pages 0 to `pages` - 1 mapped. */
  constructor(sched: Scheduler, pages = 1, mutation: FakeMmMutation = {}) {
    this.sched = sched;
    this.#mutation = mutation;
    const environment = createNotifierEnvironment(sched, new Trace(sched).points);
    this.notifierEnvironment = { ...environment, srcu: mutation.srcu?.(sched) ?? environment.srcu };
    this.mmapLock = new RwLock(sched, LOCKS.mmap_lock);
    this.rmapLock = new RwLock(sched, LOCKS.anon_vma_rwsem);
    this.otherRmapLock = new RwLock(sched, LOCKS.anon_vma_rwsem);
    this.pteLock = new Mutex(sched, LOCKS.page_table_lock);
    this.#allLocksMutex = new Mutex(sched, LOCKS.mm_all_locks_mutex);
    for (let i = 0; i < pages; i++) this.frames.set(pageAt(i), frameAt(pageAt(i)));
  }

  range(start: Hva, pages = 1): MmuNotifierRange {
    const end = hva(start + pages * PAGE_SIZE);
    return { mm: this, start, end, event: MmuNotifyEvent.CLEAR, blockable: true };
  }

  /** The frame of a page as a walk of the page table finds it now; null: not mapped. */
  *lookup(address: Hva): Steps<number | null> {
    if (points.on) yield at.pte(address);
    return this.frames.get(address) ?? null;
  }

  /** Unmaps one page under `lock`, for the notifiers as part of a range of so many pages. */
  *unmap(address: Hva, lock = this.mmapLock, order = UNMAP, pages = 1): Steps {
    const range = this.range(address, pages);
    let frame: number | undefined;
    for (const phase of order) {
      if (phase === 'lock') yield* lock.lockRead();
      else if (phase === 'unlock') yield* lock.unlock();
      else if (phase === 'lock pte') yield* this.pteLock.lock();
      else if (phase === 'unlock pte') yield* this.pteLock.unlock();
      else if (phase === 'clear') frame = yield* this.#clear(address, range);
      else if (phase === 'free') yield* this.#free(frame);
      else if (this.notifierSubscriptions === null) continue;
      else if (phase === 'start') yield* mmuNotifierInvalidateRangeStart(range);
      else yield* mmuNotifierInvalidateRangeEnd(range);
    }
  }

  /** The OOM reaper: leaves the page alone when a client cannot go on without sleeping. Answers what start did. */
  *reap(address: Hva, heedsFailure = true): Steps<number> {
    const range = this.range(address);
    yield* this.mmapLock.lockRead();
    const error = yield* mmuNotifierInvalidateRangeStartNonblock(range);
    if (error === 0 || !heedsFailure) {
      const frame = yield* this.#clear(address, range);
      if (error === 0) yield* mmuNotifierInvalidateRangeEnd(range);
      yield* this.#free(frame);
    }
    yield* this.mmapLock.unlock();
    return error;
  }

  /** exit_mmap() once mm_users is 0: no locks, nobody else looks at the page tables. */
  *exit(): Steps {
    this.mmUsers = 0;
    yield* mmuNotifierRelease(this);
    for (const frame of [...this.frames.values()]) yield* this.#free(frame);
    this.frames.clear();
    yield* this.drop();
  }

  grab(): void {
    this.mmCount++;
  }

  *drop(): Steps {
    if (--this.mmCount === 0) mmuNotifierSubscriptionsDestroy(this);
  }

  *mmapWriteLock(): Steps {
    if (!this.#mutation.registersWithoutMmapLock) yield* this.mmapLock.lockWrite();
  }

  *mmapWriteUnlock(): Steps {
    if (!this.#mutation.registersWithoutMmapLock) yield* this.mmapLock.unlock();
  }

  *takeAllLocks(): Steps<number> {
    yield* this.#allLocksMutex.lock();
    if (this.interrupted) {
      yield* this.#allLocksMutex.unlock();
      return -Errno.EINTR;
    }
    if (this.#mutation.takesNoRmapLocks) return 0;
    yield* this.rmapLock.lockWrite();
    yield* this.otherRmapLock.lockWrite();
    return 0;
  }

  *dropAllLocks(): Steps {
    if (!this.#mutation.takesNoRmapLocks) {
      yield* this.otherRmapLock.unlock();
      yield* this.rmapLock.unlock();
    }
    yield* this.#allLocksMutex.unlock();
  }

  *#clear(address: Hva, range: MmuNotifierRange): Steps<number | undefined> {
    if (points.on) yield at.pte(address);
    for (const watcher of this.watchers) watcher.pteChanges(range);
    const frame = this.frames.get(address);
    this.frames.delete(address);
    return frame;
  }

  *#free(frame: number | undefined): Steps {
    if (frame === undefined) return;
    if (points.on) yield at.page(frame);
    this.freed.add(frame);
  }
}
