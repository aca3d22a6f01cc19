// Lifetime: a client that is unlinked before it was told to let go.
//
// Once a subscription is off the list, no callback reaches it; whatever it still maps is mapped for ever.

import type { Exhibit } from './exhibit.ts';

export const release: readonly Exhibit[] = [
  {
    name: 'exit-unlinks-first',
    title: 'exit unlinks the client and only then calls its release',
    source: '3ad3d901bbcf (mm: mmu_notifier: fix freed page still mapped in secondary MMU)',
    invariant: 'I1',
    scenario: 'exit-reclaim',
    edits: [
      {
        file: 'notifier/register.ts',
        find: `  for (const subscription of subscriptions.list) {
    if (subscription.ops.release) yield* subscription.ops.release(subscription, mm);
  }
  yield* unlink(subscriptions, () => false);`,
        replace: `  const released = subscriptions.list;
  yield* unlink(subscriptions, () => false);
  for (const subscription of released) {
    if (subscription.ops.release) yield* subscription.ops.release(subscription, mm);
  }`,
      },
    ],
    preemptions: 1,
    steps: 135,
    budget: { bounded: 8000, pos: 1500 },
    story:
      "The exiting process's pages are still on the LRU. Reclaim takes one: the list of clients is empty " +
      'already, nobody is told, and the page is freed while the guest still has it mapped.',
    fix: 'Every release runs before anything is unlinked; until then each callback still reaches its client.',
  },
  {
    name: 'unregister-unlinks-first',
    title: 'unregister unlinks the client and only then calls its release',
    source:
      '751efd8610d3, mended by d34883d4e35c (mm: mmu_notifier: re-fix freed page still mapped in secondary MMU)',
    invariant: 'I1',
    scenario: 'unregister-reclaim',
    edits: [
      {
        file: 'notifier/register.ts',
        find: `  if (stillLinked && subscription.ops.release) yield* subscription.ops.release(subscription, mm);
  yield* srcu.readUnlock(index);
  if (stillLinked) yield* unlink(subscriptions, (other) => other !== subscription);`,
        replace: `  yield* srcu.readUnlock(index);
  if (stillLinked) yield* unlink(subscriptions, (other) => other !== subscription);
  if (stillLinked && subscription.ops.release) yield* subscription.ops.release(subscription, mm);`,
      },
    ],
    preemptions: 1,
    steps: 65,
    budget: { bounded: 100, pos: 50 },
    story: 'The same hole on the other way out: a VM is destroyed while reclaim takes a page that it maps.',
    fix: 'release runs under SRCU while the client is still on the list; only then is it unlinked.',
  },
];
