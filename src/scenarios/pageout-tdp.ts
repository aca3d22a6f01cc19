// Two vCPUs under two-dimensional paging store to a page and read it while it is reclaimed.
//
// Both have the page in their TLBs. One may be outside the guest when the flush is asked for, and one inside: the first
// must find the request when it enters, the second must be kicked out, and reclaim must wait until it has gone.

import type { Scenario } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'pageout-tdp',
  about: 'a page that two vCPUs have in their TLBs is reclaimed',
  vm: { vcpus: 2, mmu: 'tdp' },
  guest: `
    vcpu0:  sd a1, 0(a0)
            j done
    vcpu1:  ld a2, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    for (const vcpu of [0, 1]) {
      world.setRegisters(vcpu, { a0: world.page(1), a1: 77 });
      yield* world.warmUp(vcpu);
    }
  },
  tasks: (world) => ({
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
