// A page that the process does not need any more (MADV_FREE) is stored to by the guest while reclaim drops it.
//
// Reclaim may drop it only as long as nobody has stored to it; the store makes it a page again that must not get lost.

import type { Scenario } from '../explore/index.ts';
import { MADV_FREE, MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'lazyfree',
  about: 'a page that may be dropped is stored to by the guest while reclaim looks at it',
  guest: `
    vcpu0:  ld a2, 0(a0)
            sd a1, 0(a0)
    done:   j done
    warm:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 0n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
    yield* madvise(world.mm, world.hva(1), 4096, MADV_FREE);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
