// A driver pins one of two pages that hold the same, and a device writes to it, while the two are merged.
//
// A device asks no page table: a page that is pinned must not be merged, however equal the two are.

import { type Scenario, scanForMerging, storeByDevice } from '../explore/index.ts';
import { MADV_MERGEABLE, madvise, pinUserPage, unpinUserPage } from '../mm/index.ts';
import type { Pfn } from '../units.ts';

export const scenario: Scenario = {
  name: 'ksm-pin',
  about: 'two equal pages are merged while a device writes to one of them, which is pinned',
  guest: `
    vcpu0:
    done:   j done`,
  *setUp(world) {
    for (const page of [2, 3]) yield* world.write64(world.page(page), 5n);
    yield* madvise(world.mm, world.hva(2), 8192, MADV_MERGEABLE);
    yield* scanForMerging(world);
  },
  tasks: (world) => ({
    *driver() {
      const pfn = yield* pinUserPage(world.mm, world.hva(2), true);
      if (pfn < 0) return world.oracle.report('I9', `pin failed: ${pfn}`);
      yield* storeByDevice(world, pfn as Pfn, world.page(2), 9n);
      yield* unpinUserPage(world.host, pfn as Pfn, true);
    },
    *merger() {
      yield* scanForMerging(world);
    },
  }),
};
