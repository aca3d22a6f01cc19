// A page that is on the swap device is faulted in by the guest and by a thread of the process at the same time; the
// thread stores to it and has it reclaimed again.
//
// The slot may be free and in use again for the same page when the slower of the two looks: an entry that is equal does
// not mean that the page is.

import { assertSwappedOut, ioDone, type Scenario } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise, tryToFreePages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'swapin',
  about: 'two faults bring the same page in from swap, and one of them has it reclaimed again',
  // One slot: it is used again at once.
  host: { swapPages: 1 },
  guest: `
    vcpu0:  ld a2, 0(a0)
    done:   j done
    warm:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1) });
    yield* world.warmUp(0);
    yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    // Out of the swap cache too.
    yield* ioDone(world);
    yield* tryToFreePages(world.host, 0);
    assertSwappedOut(world, 1);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(1), 9n);
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
