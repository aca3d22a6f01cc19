// A page that the guest has mapped already, and dirtied, is reclaimed while the guest goes on storing to it.
//
// Here the translation exists before the race begins: the flush, the order of zap, flush and free, and the dirty
// state decide.

import type { Scenario } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'pageout-warm',
  about: 'a page that the guest has mapped and dirtied is reclaimed while the guest stores to it again',
  guest: `
    vcpu0:  sd a1, 16(a0)
            ld a2, 16(a0)
    done:   j done
    warm:   sd a1, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
