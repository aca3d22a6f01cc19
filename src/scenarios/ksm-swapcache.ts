// Two pages that were merged are on their way to swap, as one folio in the swap cache; one is dropped while a thread of the
// process stores to the other.
//
// He may be the only one left who has the folio, and still it is KSM's, who would give it to others: he must have a copy.

import { type Scenario, scanForMerging } from '../explore/index.ts';
import { MADV_DONTNEED, MADV_MERGEABLE, madvise, tryToFreePages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'ksm-swapcache',
  about: 'a page that was merged and is in the swap cache is dropped here and stored to there',
  losesPages: [3],
  *setUp(world) {
    for (const page of [2, 3]) yield* world.write64(world.page(page), 5n);
    yield* madvise(world.mm, world.hva(2), 8192, MADV_MERGEABLE);
    // What changes between two scans is not merged.
    for (const _scan of [1, 2]) yield* scanForMerging(world);
    // Looked at, and unmapped.
    for (const _pass of [1, 2]) yield* tryToFreePages(world.host, 0);
  },
  tasks: (world) => ({
    *advisor() {
      yield* madvise(world.mm, world.hva(3), 4096, MADV_DONTNEED);
    },
    *writer() {
      yield* world.write64(world.page(2), 9n);
    },
  }),
};
