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
    '      setPageDirty(this.mm.host, entry.pfn);\n',
    '',
  ),
  mutant(
    'unregister does not wait',
    'notifier/register.ts',
    '  if (stillLinked) yield* unlink(subscriptions, (other) => other !== subscription);\n  yield* srcu.synchronize();\n',
    '  if (stillLinked) yield* unlink(subscriptions, (other) => other !== subscription);\n',
  ),
];
