// Subscriptions that are shared by all who want the same of an mm, and freed some time after the last has let go
// (mm/mmu_notifier.c: mmu_notifier_get, mmu_notifier_put).
//
// Invariants: an mm has at most one subscription of the same ops that came by get; put does not call release, so whoever
// puts has dropped its translations and makes no new ones; free comes when no callback can be running any more.
// Locks: mmap_lock for write round get, so that two cannot both make one; `users` under subscriptions->lock.

import { at, points, type Steps } from '../sched/index.ts';
import { bug } from '../units.ts';
import { mmuNotifierRegisterLocked } from './register.ts';
import type { MmuNotifier, MmuNotifierOps, NotifierEnvironment, NotifierMm } from './subscriptions.ts';

/** mmu_notifier_get(): takes mmap_lock; may sleep. The one subscription of `mm` and `ops`, or -errno. */
export function* mmuNotifierGet(ops: MmuNotifierOps, mm: NotifierMm): Steps<MmuNotifier | number> {
  yield* mm.mmapWriteLock();
  const subscription = yield* mmuNotifierGetLocked(ops, mm);
  yield* mm.mmapWriteUnlock();
  return subscription;
}

/** mmu_notifier_get_locked(): mmap_lock is held for write. */
export function* mmuNotifierGetLocked(ops: MmuNotifierOps, mm: NotifierMm): Steps<MmuNotifier | number> {
  const found = yield* findGet(ops, mm);
  if (found !== null) return found;
  const subscription = yield* ops.allocNotifier!(mm);
  if (typeof subscription === 'number') return subscription;
  const error = yield* mmuNotifierRegisterLocked(subscription, mm);
  if (error === 0) return subscription;
  yield* ops.freeNotifier!(subscription);
  return error;
}

/** find_get_mmu_notifier(). */
function* findGet(ops: MmuNotifierOps, mm: NotifierMm): Steps<MmuNotifier | null> {
  const subscriptions = mm.notifierSubscriptions;
  if (subscriptions === null) return null;
  yield* subscriptions.lock.lock();
  if (points.on) yield at.list(subscriptions.lock.id);
  const found = subscriptions.list.find((subscription) => subscription.ops === ops) ?? null;
  if (found !== null) found.users++;
  yield* subscriptions.lock.unlock();
  return found;
}

/** mmu_notifier_put(): once per get; never sleeps, so a release callback may call it. */
export function* mmuNotifierPut(subscription: MmuNotifier): Steps {
  const mm = subscription.mm ?? bug('mmu_notifier_put: not registered', { subscription: subscription.id });
  const subscriptions = mm.notifierSubscriptions!;
  yield* subscriptions.lock.lock();
  if (subscription.users === 0) bug('mmu_notifier_put without a get', { subscription: subscription.id });
  const isLast = --subscription.users === 0;
  if (points.on) yield at.list(subscriptions.lock.id);
  if (isLast) subscriptions.replaceListLocked(subscriptions.list.filter((other) => other !== subscription));
  yield* subscriptions.lock.unlock();
  if (isLast) yield* mm.notifierEnvironment.srcu.call(() => free(subscription, mm));
}

/** mmu_notifier_free_rcu(). */
function* free(subscription: MmuNotifier, mm: NotifierMm): Steps {
  yield* subscription.ops.freeNotifier!(subscription);
  subscription.mm = null;
  yield* mm.drop();
}

/** mmu_notifier_synchronize(): whatever was put has been freed when it returns. Before a driver's ops go away. */
export const mmuNotifierSynchronize = ({ srcu }: NotifierEnvironment): Steps => srcu.barrier();
