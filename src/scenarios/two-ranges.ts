// Two pages next to each other are taken from the guest by two calls at once, while it stores to the first.
//
// KVM remembers one range for all that are open. The end of one must not make it forget the other, nor the start of one.

import type { Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'two-ranges',
  about: 'a page is reclaimed while its neighbour is dropped and the guest stores to it',
  losesPages: [2],
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   j done`,
  *setUp(world) {
    for (const page of [1, 2]) yield* world.write64(world.page(page), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(2), 4096, MADV_DONTNEED);
    },
  }),
};
