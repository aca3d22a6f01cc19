// Two pages that were merged have been swapped out as one; the guest reads the one while a thread of the process stores to the
// other.
//
// Whoever comes first has the folio to himself from then on, since reverse mapping finds no other address by it. The
// other must get a copy.

import { type Scenario, scanForMerging } from '../explore/index.ts';
import { MADV_MERGEABLE, madvise, tryToFreePages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'ksm-swapin',
  about: 'a page that was merged comes back from swap for the guest and for a thread',
  guest: `
    vcpu0:  ld a2, 0(a0)
    done:   j done
    warm:   j done`,
  *setUp(world) {
    world.setRegisters(0, { a0: world.page(3) });
    yield* world.warmUp(0);
    for (const page of [2, 3]) yield* world.write64(world.page(page), 5n);
    yield* madvise(world.mm, world.hva(2), 8192, MADV_MERGEABLE);
    // What changes between two scans is not merged.
    for (const _scan of [1, 2]) yield* scanForMerging(world);
    // Looked at, written, and dropped.
    for (const _pass of [1, 2, 3]) yield* tryToFreePages(world.host, 0);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(2), 9n);
    },
  }),
};
