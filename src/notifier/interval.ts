// Interval notifiers: a subscription to one range of an mm, with a collision-retry scheme for whoever makes translations
// of it (mm/mmu_notifier.c: mmu_interval_*).
//
// A driver (drivers/hmm.ts) makes translations like this, while itree.ts calls its invalidate when a range is met:
//
//     fault:      seq = read_begin(); look the pages up; lock; read_retry(seq)? again : map; unlock
//     invalidate: lock; set_seq(current); unmap; unlock
//
// Invariants (reference rules 33-35): a subscription's sequence is odd, and equals that of the mm exactly while a range
// that met it is open; insert and remove leave the tree alone while the mm's sequence is odd, and are carried out when it
// becomes even; memory of a subscription may be reused once remove has returned.
// Locks: the tree, the list of the deferred and the mm's sequence under subscriptions->lock; the subscription's sequence
// under the driver's own lock, and is otherwise read without.

import { at, points, type Steps } from '../sched/index.ts';
import { bug, Errno, type Hva } from '../units.ts';
import { mmuNotifierRegister, mmuNotifierRegisterLocked } from './register.ts';
import type { MmuNotifierRange, NotifierMm, NotifierSubscriptions } from './subscriptions.ts';

/** Addresses are below it. */
const HVA_LIMIT = 2 ** 38;

/** What a first pass has left to be waited for (struct mmu_interval_notifier_finish). */
export interface MmuIntervalNotifierFinish {
  readonly notifier: MmuIntervalNotifier;
}

/**
 * struct mmu_interval_notifier_ops, one of two forms:
 * - invalidate: all at once. Under the lock that mmuIntervalReadRetry() is called under it must first call
 *   mmuIntervalSetSeq(), then stop every use of translations in the range. False: it would have to sleep, and must not.
 * - invalidateStart and invalidateFinish (merged after 6.18): the same in two passes. The first may answer with what is
 *   left to wait for; the second is called once every first pass of the range was begun, in the same order.
 */
export interface MmuIntervalNotifierOps {
  invalidate?(sub: MmuIntervalNotifier, range: MmuNotifierRange, seq: number): Steps<boolean>;
  invalidateStart?(
    sub: MmuIntervalNotifier,
    range: MmuNotifierRange,
    seq: number,
  ): Steps<boolean | MmuIntervalNotifierFinish>;
  invalidateFinish?(finish: MmuIntervalNotifierFinish): Steps;
}

/** struct mmu_interval_notifier: one client's subscription to one range of one mm. */
export class MmuIntervalNotifier {
  readonly id: number;
  readonly ops: MmuIntervalNotifierOps;
  /** From insert until remove returns; keeps a reference (mm_count). */
  mm: NotifierMm | null = null;
  /** The range is [first, last]. */
  first = 0;
  last = 0;
  #invalidateSeq = 0;

  /** `id` is what at.sequence() announces. */
  constructor(id: number, ops: MmuIntervalNotifierOps) {
    this.id = id;
    this.ops = ops;
  }

  /** Preceded by at.sequence(id). */
  get invalidateSeq(): number {
    if (points.on) points.check('sequence', this.id, 'marked');
    return this.#invalidateSeq;
  }

  /** Preceded by at.sequence(id). */
  set invalidateSeq(seq: number) {
    if (points.on) points.check('sequence', this.id, 'update');
    this.#invalidateSeq = seq;
  }
}

/**
 * mmu_interval_notifier_insert() of [start, start + length): 0; -EOVERFLOW: no such range; -EINTR: the task was killed.
 * The caller has a reference in mm_users. Takes mmap_lock for the mm's first one.
 */
export function* mmuIntervalNotifierInsert(
  sub: MmuIntervalNotifier,
  mm: NotifierMm,
  start: Hva,
  length: number,
): Steps<number> {
  if (!mm.notifierSubscriptions?.hasItree) {
    const error = yield* mmuNotifierRegister(null, mm);
    if (error !== 0) return error;
  }
  return yield* insert(sub, mm, start, length);
}

/** mmu_interval_notifier_insert_locked(): mmap_lock is held for write. */
export function* mmuIntervalNotifierInsertLocked(
  sub: MmuIntervalNotifier,
  mm: NotifierMm,
  start: Hva,
  length: number,
): Steps<number> {
  if (!mm.notifierSubscriptions?.hasItree) {
    const error = yield* mmuNotifierRegisterLocked(null, mm);
    if (error !== 0) return error;
  }
  return yield* insert(sub, mm, start, length);
}

/** __mmu_interval_notifier_insert(). */
function* insert(sub: MmuIntervalNotifier, mm: NotifierMm, start: Hva, length: number): Steps<number> {
  if (length <= 0 || start + length > HVA_LIMIT) return -Errno.EOVERFLOW;
  if (mm.mmUsers <= 0) bug('mmu_interval_notifier_insert: mm_users is 0', { mm: mm.id });
  if (sub.ops.invalidateStart && !sub.ops.invalidateFinish)
    bug('mmu_interval_notifier_insert: a first pass without a second', { subscription: sub.id });
  const subscriptions = subscriptionsOf(mm);
  mm.grab();
  sub.mm = mm;
  sub.first = start;
  sub.last = start + length - 1;
  yield* subscriptions.lock.lock();
  const seq = enter(subscriptions, sub);
  if (points.on) yield at.sequence(sub.id);
  sub.invalidateSeq = seq;
  yield* subscriptions.lock.unlock();
  return 0;
}

/**
 * Into the tree, or to be inserted later. Which ranges are open is not known, so the new one counts as met by them.
 * Returns its sequence: odd, and the mm's only if a range is open. Under subscriptions->lock.
 */
function enter(subscriptions: NotifierSubscriptions, sub: MmuIntervalNotifier): number {
  const { itree, deferred, activeInvalidateRanges } = subscriptions;
  if (isInvalidating(subscriptions)) {
    if (activeInvalidateRanges === 0) bug('the interval tree is frozen, and no range is open');
    deferred.push(sub);
    return subscriptions.invalidateSeq;
  }
  itree.insert(sub, sub.first, sub.last);
  if (activeInvalidateRanges === 0) return subscriptions.invalidateSeq - 1;
  subscriptions.invalidateSeq |= 1;
  return subscriptions.invalidateSeq;
}

/** mn_itree_is_invalidating(). */
const isInvalidating = ({ invalidateSeq }: NotifierSubscriptions): boolean => (invalidateSeq & 1) !== 0;

/**
 * mmu_interval_notifier_remove(): when it returns no callback runs and none will. May sleep until open ranges have
 * ended: no callback may call it, and the caller must not hold a lock that a callback takes.
 */
export function* mmuIntervalNotifierRemove(sub: MmuIntervalNotifier): Steps {
  const mm = sub.mm ?? bug('mmu_interval_notifier_remove: not inserted', { subscription: sub.id });
  const subscriptions = subscriptionsOf(mm);
  const { itree, lock, wq } = subscriptions;
  yield* lock.lock();
  let seq = 0;
  if (!isInvalidating(subscriptions)) itree.remove(sub);
  else if (itree.has(sub)) {
    subscriptions.deferred.push(sub);
    seq = subscriptions.invalidateSeq;
  } else subscriptions.deferred.splice(subscriptions.deferred.indexOf(sub), 1);
  yield* lock.unlock();
  if (seq !== 0) {
    yield* wq.until(() => subscriptions.invalidateSeq !== seq);
    // mmu_interval_seq_released(): who makes the sequence even still has the deferred in hand until it unlocks.
    yield* lock.lock();
    yield* lock.unlock();
  }
  if (points.on) yield at.sequence(sub.id);
  sub.mm = null;
  yield* mm.drop();
}

/** mmu_interval_read_begin(): sleeps while a range that meets the subscription is open. Returns what to retry by. */
export function* mmuIntervalReadBegin(sub: MmuIntervalNotifier): Steps<number> {
  const subscriptions = subscriptionsOf(
    sub.mm ?? bug('mmu_interval_read_begin: not inserted', { subscription: sub.id }),
  );
  yield* subscriptions.lock.lock();
  if (points.on) yield at.sequence(sub.id);
  const seq = sub.invalidateSeq;
  const isMet = seq === subscriptions.invalidateSeq;
  yield* subscriptions.lock.unlock();
  if (isMet) yield* subscriptions.wq.until(() => subscriptions.invalidateSeq !== seq);
  return seq;
}

/**
 * mmu_interval_read_retry(): under the driver's lock; true: what was looked up may be stale. Preceded by
 * at.sequence(sub.id).
 */
export function mmuIntervalReadRetry(sub: MmuIntervalNotifier, seq: number): boolean {
  if (points.on) points.check('sequence', sub.id, 'read');
  return sub.invalidateSeq !== seq;
}

/**
 * mmu_interval_check_retry(): as mmuIntervalReadRetry(), without a lock, so that false means nothing. Preceded by
 * at.sequence(sub.id).
 */
export const mmuIntervalCheckRetry = (sub: MmuIntervalNotifier, seq: number): boolean =>
  sub.invalidateSeq !== seq;

/** mmu_interval_set_seq(): first of all in invalidate, under the driver's lock. Preceded by at.sequence(sub.id). */
export function mmuIntervalSetSeq(sub: MmuIntervalNotifier, seq: number): void {
  sub.invalidateSeq = seq;
}

const subscriptionsOf = (mm: NotifierMm): NotifierSubscriptions =>
  mm.notifierSubscriptions ?? bug('interval notifier without subscriptions', { mm: mm.id });
