// The callback chain: what mm/ calls around each change of its page tables.
//
// A call site reads `if (mm.notifierSubscriptions !== null) yield* mmuNotifier...(...)`: one null check when nobody is
// registered. Each walk is an SRCU read section over one version of the list.
//
// Interval notifiers are started first, and ended first (mm/mmu_notifier.c).
//
// Invariants (reference rules 1-6, 20, 31): every successful start has exactly one end with the same range; after a
// failed non-blockable start there is none; young is the OR over all clients and never stops early, except test_young.
// Locks: start and end run under mmap_lock or an rmap lock, never under one that a client may take in them; the young
// and secondary-TLB calls run under the PTE lock and must not sleep.

import {
  at,
  LOCK_MAPS,
  LOCKS,
  mightSleep,
  nonBlockEnd,
  nonBlockStart,
  points,
  type Steps,
  type Task,
} from '../sched/index.ts';
import { bug, Errno, type Hva } from '../units.ts';
import { mnItreeInvalidate, mnItreeInvEnd, mnItreeInvStartRange } from './itree.ts';
import type { MmuNotifier, MmuNotifierRange, NotifierMm, NotifierSubscriptions } from './subscriptions.ts';

function subscriptionsOf(mm: NotifierMm): NotifierSubscriptions {
  return mm.notifierSubscriptions ?? bug('notifier chain called without subscriptions', { mm: mm.id });
}

/** Linux's __mmu_notifier_invalidate_range_start_map: a client's callback may take any lock from these ranks on. */
function assertMayCallClients(task: Task): void {
  for (const { lockClass } of task.held) {
    if (lockClass.rank >= LOCKS.driver_lock.rank)
      bug('mmu_notifier range under a lock that a client may take', {
        task: task.name,
        holds: lockClass.name,
      });
  }
}

/** mmu_notifier_invalidate_range_start(): may sleep. Cannot fail. */
export function* mmuNotifierInvalidateRangeStart(range: MmuNotifierRange): Steps {
  mightSleep(range.mm.notifierEnvironment.sched.current, 'mmu_notifier_invalidate_range_start');
  range.blockable = true;
  yield* invalidateRangeStart(range);
}

/** mmu_notifier_invalidate_range_start_nonblock(): 0, or -EAGAIN: then no PTE may change and no end may follow. */
export function* mmuNotifierInvalidateRangeStartNonblock(range: MmuNotifierRange): Steps<number> {
  range.blockable = false;
  return yield* invalidateRangeStart(range);
}

function* invalidateRangeStart(range: MmuNotifierRange): Steps<number> {
  const { mm, start, end, event, blockable } = range;
  const subscriptions = subscriptionsOf(mm);
  const { sched, trace } = mm.notifierEnvironment;
  assertMayCallClients(sched.current);
  sched.lockdep.acquireMap(sched.current, LOCK_MAPS.mmu_notifier_invalidate_range_start);
  mm.notifierEnvironment.stats.invalidate_range_start++;
  const met = yield* openRange(subscriptions, range);
  trace.invalidate_range_start?.(
    mm.id,
    start,
    end,
    event,
    Number(blockable),
    subscriptions.activeInvalidateRanges,
  );
  let error = met === null ? 0 : yield* mnItreeInvalidate(met, range);
  if (error === 0) error = yield* mnHlistInvalidateRangeStart(subscriptions, range);
  if (error !== 0) {
    // Also when only the list has refused: there Linux leaves the tree's side of the range open for ever.
    yield* closeRange(subscriptions);
    trace.invalidate_range_start_failed?.(mm.id, start, end, error, subscriptions.activeInvalidateRanges);
  }
  sched.lockdep.releaseMap(sched.current, LOCK_MAPS.mmu_notifier_invalidate_range_start);
  return error;
}

/** Counts the range; the interval notifiers that it meets, or null when there never were any. */
function* openRange(subscriptions: NotifierSubscriptions, range: MmuNotifierRange) {
  if (subscriptions.hasItree) return yield* mnItreeInvStartRange(subscriptions, range);
  subscriptions.activeInvalidateRanges++;
  return null;
}

function* closeRange(subscriptions: NotifierSubscriptions): Steps {
  if (subscriptions.hasItree) yield* mnItreeInvEnd(subscriptions);
  else subscriptions.activeInvalidateRanges--;
}

/** mn_hlist_invalidate_range_start(): whoever has an end cannot fail, so when one fails all of them get their end. */
function* mnHlistInvalidateRangeStart(
  subscriptions: NotifierSubscriptions,
  range: MmuNotifierRange,
): Steps<number> {
  const { srcu } = range.mm.notifierEnvironment;
  const index = yield* srcu.readLock();
  if (points.on) yield at.list(subscriptions.lock.id);
  const list = subscriptions.list;
  let error = 0;
  for (const subscription of list) error = (yield* startOne(subscription, range)) || error;
  if (error !== 0) yield* endAll(list, range);
  yield* srcu.readUnlock(index);
  return error;
}

function* startOne(subscription: MmuNotifier, range: MmuNotifierRange): Steps<number> {
  const { ops } = subscription;
  if (!ops.invalidateRangeStart) return 0;
  const task = range.mm.notifierEnvironment.sched.current;
  if (!range.blockable) nonBlockStart(task);
  const error = yield* ops.invalidateRangeStart(subscription, range);
  if (!range.blockable) nonBlockEnd(task);
  if (error === 0) return 0;
  if (range.blockable || error !== -Errno.EAGAIN || ops.invalidateRangeEnd) {
    bug('invalidate_range_start may fail only with -EAGAIN, non-blockable and without an end', {
      subscription: subscription.id,
      error,
      blockable: range.blockable,
    });
  }
  return error;
}

function* endAll(list: readonly MmuNotifier[], range: MmuNotifierRange): Steps {
  const task = range.mm.notifierEnvironment.sched.current;
  for (const subscription of list) {
    const { ops } = subscription;
    if (!ops.invalidateRangeEnd) continue;
    if (!range.blockable) nonBlockStart(task);
    yield* ops.invalidateRangeEnd(subscription, range);
    if (!range.blockable) nonBlockEnd(task);
  }
}

/** mmu_notifier_invalidate_range_end(): once after each successful start, with the same range. May sleep as start. */
export function* mmuNotifierInvalidateRangeEnd(range: MmuNotifierRange): Steps {
  const { mm } = range;
  const subscriptions = subscriptionsOf(mm);
  const { sched, srcu, trace } = mm.notifierEnvironment;
  assertMayCallClients(sched.current);
  if (range.blockable) mightSleep(sched.current, 'mmu_notifier_invalidate_range_end');
  if (subscriptions.activeInvalidateRanges === 0) bug('invalidate_range_end without start', { mm: mm.id });
  sched.lockdep.acquireMap(sched.current, LOCK_MAPS.mmu_notifier_invalidate_range_start);
  if (subscriptions.hasItree) yield* mnItreeInvEnd(subscriptions);
  const index = yield* srcu.readLock();
  if (points.on) yield at.list(subscriptions.lock.id);
  yield* endAll(subscriptions.list, range);
  yield* srcu.readUnlock(index);
  sched.lockdep.releaseMap(sched.current, LOCK_MAPS.mmu_notifier_invalidate_range_start);
  if (!subscriptions.hasItree) subscriptions.activeInvalidateRanges--;
  mm.notifierEnvironment.stats.invalidate_range_end++;
  trace.invalidate_range_end?.(
    mm.id,
    range.start,
    range.end,
    range.event,
    subscriptions.activeInvalidateRanges,
  );
}

type YoungOp = 'clearFlushYoung' | 'clearYoung';

function* anyYoung(mm: NotifierMm, op: YoungOp, start: Hva, end: Hva): Steps<boolean> {
  const subscriptions = subscriptionsOf(mm);
  const { srcu } = mm.notifierEnvironment;
  const index = yield* srcu.readLock();
  if (points.on) yield at.list(subscriptions.lock.id);
  let young = false;
  for (const subscription of subscriptions.list) {
    const call = subscription.ops[op];
    if (call) young = (yield* call.call(subscription.ops, subscription, mm, start, end)) || young;
  }
  yield* srcu.readUnlock(index);
  return young;
}

/** __mmu_notifier_clear_flush_young(): was [start, end) used through any secondary MMU? Clears, and flushes its TLB. */
export function* mmuNotifierClearFlushYoung(mm: NotifierMm, start: Hva, end: Hva): Steps<boolean> {
  const young = yield* anyYoung(mm, 'clearFlushYoung', start, end);
  mm.notifierEnvironment.stats.clear_flush_young++;
  mm.notifierEnvironment.trace.clear_flush_young?.(mm.id, start, end, Number(young));
  return young;
}

/** __mmu_notifier_clear_young(): as clear_flush_young, but the secondary TLB may stay as it is. */
export function* mmuNotifierClearYoung(mm: NotifierMm, start: Hva, end: Hva): Steps<boolean> {
  const young = yield* anyYoung(mm, 'clearYoung', start, end);
  mm.notifierEnvironment.stats.clear_young++;
  mm.notifierEnvironment.trace.clear_young?.(mm.id, start, end, Number(young));
  return young;
}

/** __mmu_notifier_test_young(): clears nothing; stops at the first client that says young. */
export function* mmuNotifierTestYoung(mm: NotifierMm, address: Hva): Steps<boolean> {
  const subscriptions = subscriptionsOf(mm);
  const { srcu, trace } = mm.notifierEnvironment;
  const index = yield* srcu.readLock();
  if (points.on) yield at.list(subscriptions.lock.id);
  let young = false;
  for (const subscription of subscriptions.list) {
    if (!subscription.ops.testYoung) continue;
    young = yield* subscription.ops.testYoung(subscription, mm, address);
    if (young) break;
  }
  yield* srcu.readUnlock(index);
  mm.notifierEnvironment.stats.test_young++;
  trace.test_young?.(mm.id, address, Number(young));
  return young;
}

/** mmu_notifier_arch_invalidate_secondary_tlbs(): wherever the CPU TLB of [start, end) is flushed. */
export function* mmuNotifierArchInvalidateSecondaryTlbs(mm: NotifierMm, start: Hva, end: Hva): Steps {
  const subscriptions = subscriptionsOf(mm);
  const { srcu, trace } = mm.notifierEnvironment;
  mm.notifierEnvironment.stats.arch_invalidate_secondary_tlbs++;
  trace.invalidate_secondary_tlbs?.(mm.id, start, end);
  const index = yield* srcu.readLock();
  if (points.on) yield at.list(subscriptions.lock.id);
  for (const subscription of subscriptions.list) {
    const call = subscription.ops.archInvalidateSecondaryTlbs;
    if (call) yield* call.call(subscription.ops, subscription, mm, start, end);
  }
  yield* srcu.readUnlock(index);
}
