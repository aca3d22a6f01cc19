// A page that is on the swap device is faulted in by two threads of a process at the same time; one of them stores to it and
// has it reclaimed again.
//
// The slot may be free and in use again for the same page when the slower of the two looks: an entry that is equal does
// not mean that the page is.

import { assertSwappedOut, ioDone, type Scenario } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise, tryToFreePages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'swapin',
  about: 'two faults bring the same page in from swap, and one of them has it reclaimed again',
  // One slot: it is used again at once.
  host: { swapPages: 1, cpus: 2 },
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    // Out of the swap cache too.
    yield* ioDone(world);
    yield* tryToFreePages(world.host, 0);
    assertSwappedOut(world, 1);
  },
  tasks: (world) => ({
    *reader() {
      yield* world.read64(world.page(1));
    },
    *writer() {
      yield* world.write64(world.page(1), 9n);
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
