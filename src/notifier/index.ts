// The face of notifier/: mmu_notifier registration, the chain that mm/ calls, and the interface that clients implement.

export {
  mmuNotifierArchInvalidateSecondaryTlbs,
  mmuNotifierClearFlushYoung,
  mmuNotifierClearYoung,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierInvalidateRangeStartNonblock,
  mmuNotifierTestYoung,
} from './chain.ts';
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
  type NotifierEnvironment,
  type NotifierMm,
  NotifierSubscriptions,
} from './subscriptions.ts';
