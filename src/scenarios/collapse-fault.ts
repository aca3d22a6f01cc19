// A thread's page fault has found a page table, and looks at its entry only when the table has been taken out: shared memory
// was copied into a huge page meanwhile (MADV_COLLAPSE).
//
// The table is found without a lock. retract_page_tables() waits for nobody but the lock of the table, so whoever comes
// to the entry must see that it is one no longer.

import type { Scenario } from '../explore/index.ts';
import { MADV_COLLAPSE, madvise } from '../mm/index.ts';

const PAGES = 512;

export const scenario: Scenario = {
  name: 'collapse-fault',
  about: 'a page table of shared memory is taken out while a page fault is about to read its entry',
  host: { frames: 1300, swapPages: 0 },
  vm: { ramPages: PAGES, ram: 'shmem' },
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
  },
  tasks: (world) => ({
    *writer() {
      // A hole so far.
      yield* world.write64(world.page(2), 10n);
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(0), PAGES * 4096, MADV_COLLAPSE);
    },
  }),
};
