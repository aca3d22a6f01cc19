// A driver has taken a reference to a page (no pin) and a device writes to it, while the page is to move to another frame
// and its guest reads it.
//
// Who has a reference goes on using the frame, so the page stays in it, and is mapped again where it was; or the page has
// moved before, and the driver gets the new frame.

import { type Scenario, storeByReference } from '../explore/index.ts';
import { getUserPage, migrateUserPages } from '../mm/index.ts';
import type { Pfn } from '../units.ts';

export const scenario: Scenario = {
  name: 'migrate-reference',
  about: 'a page that a device writes to is referenced while it is to be migrated',
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
      const pfn = yield* getUserPage(world.mm, world.hva(1), true);
      if (pfn < 0) return world.oracle.report('I9', `no page: ${pfn}`);
      yield* storeByReference(world, pfn as Pfn, world.page(1), 9n);
    },
    *migrate() {
      yield* migrateUserPages(world.mm, world.hva(1), 4096);
    },
  }),
};
