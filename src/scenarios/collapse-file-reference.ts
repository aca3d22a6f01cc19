// A driver takes a reference to a page of shared memory, for a device that writes to it a little later, while the page is copied
// into a huge page.
//
// Nothing maps the page any more when it is copied: that somebody goes on using the frame is seen by the count of its
// references alone.

import { type Scenario, storeByReference } from '../explore/index.ts';
import { getUserPage, MADV_COLLAPSE, madvise } from '../mm/index.ts';
import { RESCHED } from '../sched/index.ts';
import type { Pfn } from '../units.ts';

export const scenario: Scenario = {
  name: 'collapse-file-reference',
  about: 'a page of shared memory is copied into a huge page while a device writes to it by a reference',
  host: { frames: 1300, swapPages: 0 },
  vm: { ramPages: 512, ram: 'shmem' },
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
  },
  tasks: (world) => ({
    *driver() {
      const pfn = yield* getUserPage(world.mm, world.hva(1), true);
      if (pfn < 0) return world.oracle.report('I9', `no page: ${pfn}`);
      yield RESCHED;
      yield* storeByReference(world, pfn as Pfn, world.page(1), 9n);
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(0), 512 * 4096, MADV_COLLAPSE);
    },
  }),
};
