// A driver has taken a reference to a page and a device writes to it, while the page is copied into a huge page.
//
// Who has a reference goes on using the frame, so the page stays in it; or it was copied before, and he gets the copy.

import { type Scenario, storeByReference } from '../explore/index.ts';
import { getUserPage, MADV_COLLAPSE, madvise } from '../mm/index.ts';
import type { Pfn } from '../units.ts';

export const scenario: Scenario = {
  name: 'collapse-reference',
  about: 'a page that a device writes to is referenced while it is to be copied into a huge page',
  host: { frames: 1300, swapPages: 0 },
  vm: { ramPages: 512 },
  guest: `
    vcpu0:
    done:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
  },
  tasks: (world) => ({
    *driver() {
      const pfn = yield* getUserPage(world.mm, world.hva(1), true);
      if (pfn < 0) return world.oracle.report('I9', `no page: ${pfn}`);
      yield* storeByReference(world, pfn as Pfn, world.page(1), 9n);
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(0), 512 * 4096, MADV_COLLAPSE);
    },
  }),
};
