// Registration and lifetime, as merged in 2008 and made sleepable in 2012 (mm/mmu_notifier.c).
//
// Registering takes mmap_lock for write and every rmap lock of the mm (mm_take_all_locks), so that no start..end pair
// is open while the list grows, or when the first interval notifier comes. Unregistering is cheap: release, unlink, and
// wait in synchronize_srcu() for whoever may still be inside a callback.
//
// Invariants: `subscription.mm` is set from register until unregister returns; a subscription is unlinked only after its
// release was called, by unregister or by the mm's release, whichever came first or both; after unregister has returned
// no callback runs and none will.

import { at, fsReclaimAcquire, fsReclaimRelease, points, type Steps } from '../sched/index.ts';
import { bug, Errno, type Hva } from '../units.ts';
import { mnItreeRelease } from './itree.ts';
import {
  type MmuNotifier,
  type MmuNotifierRange,
  MmuNotifyEvent,
  type NotifierMm,
  NotifierSubscriptions,
} from './subscriptions.ts';

/** mmu_notifier_register(). Takes mmap_lock; may sleep. 0; -EINVAL: see MmuNotifierOps; -EINTR: the task was killed. */
export function* mmuNotifierRegister(subscription: MmuNotifier | null, mm: NotifierMm): Steps<number> {
  yield* mm.mmapWriteLock();
  const error = yield* mmuNotifierRegisterLocked(subscription, mm);
  yield* mm.mmapWriteUnlock();
  return error;
}

/**
 * __mmu_notifier_register(): the caller holds mmap_lock for write and a reference in mm_users. Null: from now on there
 * may be interval notifiers.
 */
export function* mmuNotifierRegisterLocked(subscription: MmuNotifier | null, mm: NotifierMm): Steps<number> {
  if (mm.mmUsers <= 0) bug('mmu_notifier_register: mm_users is 0', { mm: mm.id });
  // Primes lockdep: from now on an allocation may wait for what this client takes in its callbacks.
  fsReclaimAcquire(mm.notifierEnvironment.sched);
  fsReclaimRelease(mm.notifierEnvironment.sched);
  if (subscription !== null && subscription.mm !== null)
    bug('mmu_notifier_register: registered already', { subscription: subscription.id });
  const ops = subscription?.ops;
  if (ops?.archInvalidateSecondaryTlbs && (ops.invalidateRangeStart || ops.invalidateRangeEnd))
    return -Errno.EINVAL;
  const error = yield* mm.takeAllLocks();
  if (error !== 0) return error;
  mm.notifierSubscriptions ??= new NotifierSubscriptions(mm.notifierEnvironment);
  if (mm.notifierSubscriptions.activeInvalidateRanges !== 0)
    bug('a notifier range is open during registration', { mm: mm.id });
  if (subscription === null) mm.notifierSubscriptions.hasItree = true;
  else yield* link(mm.notifierSubscriptions, subscription, mm);
  yield* mm.dropAllLocks();
  if (subscription === null) return 0;
  mm.notifierEnvironment.stats.register++;
  mm.notifierEnvironment.trace.register?.(mm.id, subscription.id);
  return 0;
}

function* link(subscriptions: NotifierSubscriptions, subscription: MmuNotifier, mm: NotifierMm): Steps {
  mm.grab();
  subscription.mm = mm;
  subscription.users = 1;
  yield* subscriptions.lock.lock();
  if (points.on) yield at.list(subscriptions.lock.id);
  subscriptions.replaceListLocked([subscription, ...subscriptions.list]);
  yield* subscriptions.lock.unlock();
}

/**
 * mmu_notifier_unregister(): once per register, also after the mm's release; may sleep, so no callback may call it, and
 * the caller must not hold a lock that a callback takes.
 */
export function* mmuNotifierUnregister(subscription: MmuNotifier, mm: NotifierMm): Steps {
  const subscriptions = mm.notifierSubscriptions;
  if (subscriptions === null || subscription.mm !== mm)
    bug('mmu_notifier_unregister: not registered', { mm: mm.id, subscription: subscription.id });
  const { srcu, trace } = mm.notifierEnvironment;
  const index = yield* srcu.readLock();
  if (points.on) yield at.list(subscriptions.lock.id);
  const stillLinked = subscriptions.list.includes(subscription);
  if (stillLinked && subscription.ops.release) yield* subscription.ops.release(subscription, mm);
  yield* srcu.readUnlock(index);
  if (stillLinked) yield* unlink(subscriptions, (other) => other !== subscription);
  yield* srcu.synchronize();
  subscription.mm = null;
  mm.notifierEnvironment.stats.unregister++;
  trace.unregister?.(mm.id, subscription.id);
  yield* mm.drop();
}

/**
 * __mmu_notifier_release(): exit_mmap calls it before it frees any page. Every release runs before anything is
 * unlinked, so that until then each callback still reaches its client (fix 3ad3d901bbcf).
 */
export function* mmuNotifierRelease(mm: NotifierMm): Steps {
  const subscriptions = mm.notifierSubscriptions;
  if (subscriptions === null) return;
  const { srcu, trace } = mm.notifierEnvironment;
  mm.notifierEnvironment.stats.release++;
  trace.release?.(mm.id);
  if (subscriptions.hasItree) yield* mnItreeRelease(subscriptions, everything(mm));
  const index = yield* srcu.readLock();
  if (points.on) yield at.list(subscriptions.lock.id);
  for (const subscription of subscriptions.list) {
    if (subscription.ops.release) yield* subscription.ops.release(subscription, mm);
  }
  yield* unlink(subscriptions, () => false);
  yield* srcu.readUnlock(index);
  yield* srcu.synchronize();
}

const everything = (mm: NotifierMm): MmuNotifierRange => ({
  mm,
  start: -(2 ** 38) as Hva,
  end: (2 ** 38) as Hva,
  event: MmuNotifyEvent.RELEASE,
  blockable: true,
});

function* unlink(subscriptions: NotifierSubscriptions, keeps: (other: MmuNotifier) => boolean): Steps {
  yield* subscriptions.lock.lock();
  if (points.on) yield at.list(subscriptions.lock.id);
  subscriptions.replaceListLocked(subscriptions.list.filter(keeps));
  yield* subscriptions.lock.unlock();
}

/** __mmu_notifier_subscriptions_destroy(): mmdrop of the last reference; no notifier and no open range is left. */
export function mmuNotifierSubscriptionsDestroy(mm: NotifierMm): void {
  if (mm.notifierSubscriptions === null) return;
  if (!mm.notifierSubscriptions.isUnused) bug('mm dropped while notifiers are in use', { mm: mm.id });
  mm.notifierSubscriptions = null;
}
