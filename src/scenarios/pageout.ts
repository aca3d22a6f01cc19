// A page is reclaimed (MADV_PAGEOUT) while a guest under shadow paging stores to it, reads it back and stores again.
//
// The classic of mmu notifiers: the fault may run before, inside and after the invalidation, and whatever it installs
// must be gone or right when the frame is freed; what the guest stored must be in the swap slot or in the frame that
// comes back.

import type { Scenario } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'pageout',
  about: 'a page is reclaimed while the guest stores to it',
  guest: `
    vcpu0:  sd a1, 0(a0)
            ld a2, 0(a0)
            sd a2, 8(a0)
    done:   j done
    warm:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    // The code is mapped, so that the fault on the page is the only one.
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
