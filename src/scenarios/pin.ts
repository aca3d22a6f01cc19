// A driver pins a page for a device and lets the device write to it, while the page is to be reclaimed and its guest
// reads it.
//
// As long as the pin is held the page stays where it is; what the device wrote is dirty when the driver lets go.

import { type Scenario, storeByDevice } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise, pinUserPage, unpinUserPage } from '../mm/index.ts';
import type { Pfn } from '../units.ts';

export const scenario: Scenario = {
  name: 'pin',
  about: 'a page that a device writes to is pinned while it is to be reclaimed',
  guest: `
    vcpu0:  ld a2, 0(a0)
    done:   j done
    warm:   ld a2, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1) });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *driver() {
      const pfn = yield* pinUserPage(world.mm, world.hva(1), true);
      if (pfn < 0) return world.oracle.report('I9', `pin failed: ${pfn}`);
      yield* storeByDevice(world, pfn as Pfn, world.page(1), 9n);
      yield* unpinUserPage(world.host, pfn as Pfn, true);
    },
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
