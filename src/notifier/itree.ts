// The chain's side of interval notifiers: which of them a range meets, and what is put off until it has ended
// (mm/mmu_notifier.c: mn_itree_*).
//
// chain.ts and register.ts call these; interval.ts is the drivers' side.
//
// Invariants: while the mm's sequence is odd the tree stays as it is, so that its hits can be called without the lock;
// the last open range to end makes it even, carries out what was deferred, and wakes who waits. Lock: subscriptions->lock.

import { at, nonBlockEnd, nonBlockStart, points, type Steps } from '../sched/index.ts';
import { bug, Errno } from '../units.ts';
import type { MmuIntervalNotifier, MmuIntervalNotifierFinish } from './interval.ts';
import type { MmuNotifierRange, NotifierSubscriptions } from './subscriptions.ts';

/** The interval notifiers that a range meets, and the mm's sequence then. */
export interface MetIntervals {
  readonly hits: readonly MmuIntervalNotifier[];
  readonly seq: number;
}

/** mn_itree_inv_start_range(). */
export function* mnItreeInvStartRange(
  subscriptions: NotifierSubscriptions,
  { start, end }: MmuNotifierRange,
): Steps<MetIntervals> {
  yield* subscriptions.lock.lock();
  subscriptions.activeInvalidateRanges++;
  const hits = subscriptions.itree.overlapping(start, end - 1);
  if (hits.length > 0) subscriptions.invalidateSeq |= 1;
  const seq = subscriptions.invalidateSeq;
  yield* subscriptions.lock.unlock();
  return { hits, seq };
}

/** mn_itree_inv_end(). */
export function* mnItreeInvEnd(subscriptions: NotifierSubscriptions): Steps {
  yield* subscriptions.lock.lock();
  const isLast = --subscriptions.activeInvalidateRanges === 0 && (subscriptions.invalidateSeq & 1) !== 0;
  if (isLast) {
    subscriptions.invalidateSeq++;
    yield* doDeferred(subscriptions);
  }
  yield* subscriptions.lock.unlock();
  if (isLast) subscriptions.wq.wakeAll();
}

function* doDeferred({ itree, deferred }: NotifierSubscriptions): Steps {
  for (const sub of deferred.splice(0)) {
    if (points.on) yield at.sequence(sub.id);
    if (sub.mm === null) bug('interval notifier used after its removal', { subscription: sub.id });
    if (!itree.remove(sub)) itree.insert(sub, sub.first, sub.last);
  }
}

/**
 * mn_itree_invalidate(): one after the other, then the second passes in the same order. 0, or -EAGAIN when one of them
 * would have slept in a range that is not blockable: those after it were not asked.
 */
export function* mnItreeInvalidate({ hits, seq }: MetIntervals, range: MmuNotifierRange): Steps<number> {
  const finishes: MmuIntervalNotifierFinish[] = [];
  let error = 0;
  for (const sub of hits) {
    const done = yield* invalidateOne(sub, range, seq);
    if (typeof done === 'object') finishes.push(done);
    if (done !== false) continue;
    if (range.blockable) bug('an interval notifier failed where it may sleep', { subscription: sub.id });
    error = -Errno.EAGAIN;
    break;
  }
  for (const finish of finishes)
    yield* blockableAs(range, () => finish.notifier.ops.invalidateFinish!(finish));
  return error;
}

const invalidateOne = (
  sub: MmuIntervalNotifier,
  range: MmuNotifierRange,
  seq: number,
): Steps<boolean | MmuIntervalNotifierFinish> => blockableAs(range, () => callOne(sub, range, seq));

function* callOne(
  sub: MmuIntervalNotifier,
  range: MmuNotifierRange,
  seq: number,
): Steps<boolean | MmuIntervalNotifierFinish> {
  const { ops } = sub;
  if (ops.invalidateStart) return yield* ops.invalidateStart(sub, range, seq);
  return ops.invalidate ? yield* ops.invalidate(sub, range, seq) : true;
}

/** Calls a client inside non_block_start() and non_block_end() if the range says so. */
function* blockableAs<T>(range: MmuNotifierRange, call: () => Steps<T>): Steps<T> {
  const task = range.mm.notifierEnvironment.sched.current;
  if (!range.blockable) nonBlockStart(task);
  const result = yield* call();
  if (!range.blockable) nonBlockEnd(task);
  return result;
}

/** mn_itree_release(): the whole mm is invalidated once. They stay in the tree: zapping at exit still calls them. */
export function* mnItreeRelease(subscriptions: NotifierSubscriptions, range: MmuNotifierRange): Steps {
  yield* mnItreeInvalidate(yield* mnItreeInvStartRange(subscriptions, range), range);
  yield* mnItreeInvEnd(subscriptions);
}
