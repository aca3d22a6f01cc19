// The face of notifier/: mmu_notifier registration, the chain that mm/ calls, interval notifiers, and the interfaces that
// clients implement.

export {
  mmuNotifierArchInvalidateSecondaryTlbs,
  mmuNotifierClearFlushYoung,
  mmuNotifierClearYoung,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierInvalidateRangeStartNonblock,
  mmuNotifierTestYoung,
} from './chain.ts';
export { mmuNotifierGet, mmuNotifierGetLocked, mmuNotifierPut, mmuNotifierSynchronize } from './getPut.ts';
export {
  MmuIntervalNotifier,
  type MmuIntervalNotifierFinish,
  type MmuIntervalNotifierOps,
  mmuIntervalCheckRetry,
  mmuIntervalNotifierInsert,
  mmuIntervalNotifierInsertLocked,
  mmuIntervalNotifierRemove,
  mmuIntervalReadBegin,
  mmuIntervalReadRetry,
  mmuIntervalSetSeq,
} from './interval.ts';
export { IntervalTree } from './intervalTree.ts';
export {
  mmuNotifierRegister,
  mmuNotifierRegisterLocked,
  mmuNotifierRelease,
  mmuNotifierSubscriptionsDestroy,
  mmuNotifierUnregister,
} from './register.ts';
export {
  createNotifierEnvironment,
  MmuNotifier,
  type MmuNotifierOps,
  type MmuNotifierRange,
  MmuNotifyEvent,
  mmuNotifierRangeInit,
  type NotifierEnvironment,
  type NotifierMm,
  NotifierSubscriptions,
} from './subscriptions.ts';
