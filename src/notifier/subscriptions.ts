// What an mm and its notifiers know of each other: the callback interface, the per-mm list, and the small interface
// that notifier/ wants from an mm.
//
// A client (kvm/, drivers/) implements MmuNotifierOps; mm/ calls the chain (chain.ts) and knows clients no other way.
//
// Invariants: `mm.notifierSubscriptions` is null until the first register and lives until the mm is dropped. The list
// is replaced, never edited, so that a walker under SRCU sees one consistent version.
// Locks: `list` changes under `lock`; a new entry additionally needs mmap_lock for write and all rmap locks.

import { LOCKS, Mutex, points, type Scheduler, Srcu, type Steps, WaitQueue } from '../sched/index.ts';
import type { Tracepoints } from '../trace/index.ts';
import type { Hva } from '../units.ts';
import type { MmuIntervalNotifier } from './interval.ts';
import { IntervalTree } from './intervalTree.ts';

/** enum mmu_notifier_event (include/linux/mmu_notifier.h), in order of value. */
export const MmuNotifyEvent = {
  UNMAP: 0,
  CLEAR: 1,
  PROTECTION_VMA: 2,
  PROTECTION_PAGE: 3,
  SOFT_DIRTY: 4,
  RELEASE: 5,
  MIGRATE: 6,
  EXCLUSIVE: 7,
} as const;
export type MmuNotifyEvent = (typeof MmuNotifyEvent)[keyof typeof MmuNotifyEvent];

/** struct mmu_notifier_range: half-open [start, end), page aligned. */
export interface MmuNotifierRange {
  readonly mm: NotifierMm;
  readonly start: Hva;
  readonly end: Hva;
  readonly event: MmuNotifyEvent;
  /** MMU_NOTIFIER_RANGE_BLOCKABLE: the callbacks may sleep. Set by the chain. */
  blockable: boolean;
}

/** mmu_notifier_range_init(); null: nobody is registered, and there is nobody to tell. */
export const mmuNotifierRangeInit = (
  event: MmuNotifyEvent,
  mm: NotifierMm,
  start: Hva,
  end: Hva,
): MmuNotifierRange | null =>
  mm.notifierSubscriptions === null ? null : { mm, start, end, event, blockable: true };

/**
 * struct mmu_notifier_ops. All are optional. Contexts and meaning follow include/linux/mmu_notifier.h:
 * - release: before any page of a dying mm is freed, or at unregister; may come twice; must tear down everything and
 *   stop new translations.
 * - clearFlushYoung, clearYoung, testYoung: under the PTE lock, must not sleep; answer whether any translation in
 *   [start, end) was used. clearYoung may leave the secondary TLB alone; testYoung clears nothing.
 * - invalidateRangeStart: when it returns 0, the client holds no translation of the range and makes none until the
 *   matching end. May answer -EAGAIN only if the range is not blockable, and then must have no invalidateRangeEnd.
 * - archInvalidateSecondaryTlbs: for hardware that shares the CPU's page tables; under the PTE lock, must not sleep.
 * - allocNotifier, freeNotifier: for mmuNotifierGet() and its put; a subscription with these very ops, or -errno. free
 *   comes some time after the last put, when no callback can be running any more, and must not sleep.
 */
export interface MmuNotifierOps {
  release?(subscription: MmuNotifier, mm: NotifierMm): Steps;
  clearFlushYoung?(subscription: MmuNotifier, mm: NotifierMm, start: Hva, end: Hva): Steps<boolean>;
  clearYoung?(subscription: MmuNotifier, mm: NotifierMm, start: Hva, end: Hva): Steps<boolean>;
  testYoung?(subscription: MmuNotifier, mm: NotifierMm, address: Hva): Steps<boolean>;
  invalidateRangeStart?(subscription: MmuNotifier, range: MmuNotifierRange): Steps<number>;
  invalidateRangeEnd?(subscription: MmuNotifier, range: MmuNotifierRange): Steps;
  archInvalidateSecondaryTlbs?(subscription: MmuNotifier, mm: NotifierMm, start: Hva, end: Hva): Steps;
  allocNotifier?(mm: NotifierMm): Steps<MmuNotifier | number>;
  freeNotifier?(subscription: MmuNotifier): Steps;
}

/** struct mmu_notifier: one client's subscription to one mm. */
export class MmuNotifier {
  readonly id: number;
  readonly ops: MmuNotifierOps;
  /** The mm it is registered with; keeps a reference (mm_count) from register to unregister. */
  mm: NotifierMm | null = null;
  /** mmuNotifierGet() without a put yet; under the lock of the mm's subscriptions. */
  users = 0;

  constructor(id: number, ops: MmuNotifierOps) {
    this.id = id;
    this.ops = ops;
  }
}

/** How often each entry point was called; statistics, nothing is decided by them. */
export const newNotifierStats = () => ({
  register: 0,
  unregister: 0,
  release: 0,
  invalidate_range_start: 0,
  invalidate_range_end: 0,
  clear_flush_young: 0,
  clear_young: 0,
  test_young: 0,
  arch_invalidate_secondary_tlbs: 0,
});
export type NotifierStats = ReturnType<typeof newNotifierStats>;

/** What one host has once for all its mms: the scheduler, the tracepoints and the global SRCU domain. */
export interface NotifierEnvironment {
  readonly sched: Scheduler;
  readonly trace: Tracepoints;
  /** One for all mms, as in Linux: an SRCU domain costs words per CPU. */
  readonly srcu: Srcu;
  readonly stats: NotifierStats;
}

export function createNotifierEnvironment(sched: Scheduler, trace: Tracepoints): NotifierEnvironment {
  return { sched, trace, srcu: new Srcu(sched, 'mmu_notifier srcu'), stats: newNotifierStats() };
}

/** What notifier/ needs of an mm; mm/ implements it. */
export interface NotifierMm {
  readonly id: number;
  readonly notifierEnvironment: NotifierEnvironment;
  notifierSubscriptions: NotifierSubscriptions | null;
  /** mm_users: the address space is alive while it is above 0. */
  readonly mmUsers: number;
  /** mmgrab(): keeps the struct (mm_count). */
  grab(): void;
  /** mmdrop(); the last one calls mmuNotifierSubscriptionsDestroy(). */
  drop(): Steps;
  mmapWriteLock(): Steps;
  mmapWriteUnlock(): Steps;
  /** mm_take_all_locks(): mmap_lock held for write; 0 or -EINTR. */
  takeAllLocks(): Steps<number>;
  dropAllLocks(): Steps;
}

/** struct mmu_notifier_subscriptions: the notifiers of one mm. */
export class NotifierSubscriptions {
  readonly lock: Mutex;
  // Replaced under `lock`; read under SRCU.
  #list: readonly MmuNotifier[] = [];
  /** Open start..end pairs; 0 whenever somebody registers. Under `lock` once there is a tree, else a cross-check. */
  activeInvalidateRanges = 0;

  // Interval notifiers; under `lock` (interval.ts).
  /** Somebody has inserted one: from then on every range looks for them. Set while no range is open. */
  hasItree = false;
  /** Odd: a range that met one of them is open, and the tree must stay as it is. */
  invalidateSeq = 2;
  readonly itree = new IntervalTree<MmuIntervalNotifier>();
  /** To be inserted, or if they are in the tree removed, once the sequence is even. */
  readonly deferred: MmuIntervalNotifier[] = [];
  /** Woken when the sequence becomes even. */
  readonly wq: WaitQueue;

  constructor({ sched }: NotifierEnvironment) {
    this.lock = new Mutex(sched, LOCKS.subscriptions_lock);
    this.wq = new WaitQueue(sched, 'mmu_interval_notifier', this.lock);
  }

  /** This version of the list, newest first. Preceded by at.list(lock.id). */
  get list(): readonly MmuNotifier[] {
    if (points.on) points.check('list', this.lock.id, 'marked');
    return this.#list;
  }

  /** Under `lock`. Preceded by at.list(lock.id). */
  replaceListLocked(list: readonly MmuNotifier[]): void {
    this.lock.assertHeld();
    if (points.on) points.check('list', this.lock.id, 'update');
    this.#list = list;
  }

  /** With the last reference to the mm gone there is nobody to be announced to. */
  get isUnused(): boolean {
    return this.#list.length === 0 && this.activeInvalidateRanges === 0;
  }
}
