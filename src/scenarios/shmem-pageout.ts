// A page of shared memory is reclaimed (MADV_PAGEOUT) while the guest and another thread store to it.
//
// The page table keeps no trace of it: what brings it back is the object's own entry for its slot, and a store that came after
// the flush, or that only a TLB knew of, is lost with the frame.

import type { Scenario } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'shmem-pageout',
  about: 'a page of shared memory is reclaimed while the guest and a thread store to it',
  host: { cpus: 2 },
  vm: { ram: 'shmem' },
  guest: `
    vcpu0:  sd a1, 0(a0)
            ld a2, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(1) + 16, 9n);
    },
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
