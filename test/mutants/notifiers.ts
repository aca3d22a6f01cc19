// Mutants of the chain, of registration and of interval notifiers, and of the devices that are their clients.

import { type Mutant, mutant } from './mutant.ts';

export const NOTIFIERS: readonly Mutant[] = [
  mutant(
    'the chain calls nobody at start',
    'notifier/chain.ts',
    '  for (const subscription of list) error = (yield* startOne(subscription, range)) || error;\n',
    '',
  ),
  mutant(
    'the chain calls nobody at end',
    'notifier/chain.ts',
    '  yield* endAll(subscriptions.list, range);\n',
    '',
  ),
  mutant(
    'a failed start ends nothing',
    'notifier/chain.ts',
    '  if (error !== 0) yield* endAll(list, range);\n',
    '',
  ),
  mutant(
    'exit calls no release',
    'notifier/register.ts',
    '    if (subscription.ops.release) yield* subscription.ops.release(subscription, mm);\n  }\n',
    '  }\n',
  ),
  mutant(
    'unregister calls no release',
    'notifier/register.ts',
    '  if (stillLinked && subscription.ops.release) yield* subscription.ops.release(subscription, mm);\n',
    '',
  ),
  mutant(
    'unregister unlinks nothing',
    'notifier/register.ts',
    '  if (stillLinked) yield* unlink(subscriptions, (other) => other !== subscription);\n',
    '',
  ),
  mutant(
    'registration takes no locks',
    'notifier/register.ts',
    '  const error = yield* mm.takeAllLocks();\n  if (error !== 0) return error;\n',
    '',
  ),
  mutant(
    'the sequence of intervals stays even',
    'notifier/itree.ts',
    '  if (hits.length > 0) subscriptions.invalidateSeq |= 1;\n',
    '',
  ),
  mutant(
    'a device installs what is stale',
    'drivers/hmm.ts',
    '    if (!isStale) yield* this.#install',
    '    yield* this.#install',
  ),
  mutant(
    'a removal is not waited for',
    'notifier/interval.ts',
    '    yield* wq.until(() => subscriptions.invalidateSeq !== seq);\n',
    '',
  ),
  mutant(
    'an interval is not looked at again',
    'drivers/hmm.ts',
    '    const isStale = mmuIntervalReadRetry(notifier, notifierSeq);',
    '    const isStale = mmuIntervalReadRetry(notifier, notifierSeq) && notifierSeq < 0;',
  ),
  mutant(
    'an invalidation does not set the sequence',
    'drivers/hmm.ts',
    '    mmuIntervalSetSeq(this.#notifier, seq);\n',
    '',
  ),
  mutant(
    'a device forgets what it has written',
    'drivers/hmm.ts',
    '      if (entry.dirty) setPageDirty(this.mm.host, entry.pfn);\n',
    '',
  ),
  mutant(
    'unregister does not wait',
    'notifier/register.ts',
    '  if (stillLinked) yield* unlink(subscriptions, (other) => other !== subscription);\n  yield* srcu.synchronize();\n',
    '  if (stillLinked) yield* unlink(subscriptions, (other) => other !== subscription);\n',
  ),
  mutant(
    'a mirror that is closed keeps its TLB',
    'drivers/hmm.ts',
    '    yield* this.#flushTlb(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);\n',
    '',
  ),
  mutant(
    'a removal goes on while the deferred are in hand',
    'notifier/interval.ts',
    '    yield* lock.lock();\n    yield* lock.unlock();\n',
    '',
  ),
  mutant(
    'an interval that is inserted is met by no open range',
    'notifier/interval.ts',
    '  subscriptions.invalidateSeq |= 1;\n  return subscriptions.invalidateSeq;',
    '  return subscriptions.invalidateSeq - 1;',
  ),
  mutant(
    'any end makes the sequence even',
    'notifier/itree.ts',
    '--subscriptions.activeInvalidateRanges === 0 &&',
    '--subscriptions.activeInvalidateRanges >= 0 &&',
  ),
  mutant(
    'who waits for an interval is not woken',
    'notifier/itree.ts',
    '  if (isLast) subscriptions.wq.wakeAll();\n',
    '',
  ),
  {
    ...mutant(
      'intervals are not told of the exit',
      'notifier/register.ts',
      '  if (subscriptions.hasItree) yield* mnItreeRelease(subscriptions, everything(mm));\n',
      '',
    ),
    equivalent: 'The ranges that exit_mmap() unmaps meet them all the same.',
  },
  mutant(
    'a subscription that is put is freed at once',
    'notifier/getPut.ts',
    'yield* mm.notifierEnvironment.srcu.call(() => free(subscription, mm))',
    'yield* free(subscription, mm)',
  ),
  mutant(
    'who gets a subscription is not counted',
    'notifier/getPut.ts',
    '  if (found !== null) found.users++;\n',
    '',
  ),
  mutant(
    'a device that was stopped goes on walking',
    'drivers/iommu.ts',
    '    this.#walks = false;\n    this.#tlb.flushAll();\n',
    '    this.#tlb.flushAll();\n',
  ),
  mutant(
    'a look-up does not wait for the open range',
    'notifier/interval.ts',
    '  if (isMet) yield* subscriptions.wq.until(() => subscriptions.invalidateSeq !== seq);\n',
    '',
  ),
  mutant(
    'a mirror is filled before its table is cleared',
    'drivers/hmm.ts',
    '    for (const page of this.#table.keys()) if (page >= start && page < end) this.#table.delete(page);\n',
    '',
  ),
  mutant(
    'release comes when all are unlinked',
    'notifier/register.ts',
    '  for (const subscription of subscriptions.list) {\n    if (subscription.ops.release) yield* subscription.ops.release(subscription, mm);\n  }\n  yield* unlink(subscriptions, () => false);\n',
    '  const list = subscriptions.list;\n  yield* unlink(subscriptions, () => false);\n  for (const subscription of list) {\n    if (subscription.ops.release) yield* subscription.ops.release(subscription, mm);\n  }\n',
  ),
  mutant(
    'a range that was refused stays open',
    'notifier/chain.ts',
    '    yield* closeRange(subscriptions);\n',
    '',
  ),
];
