// Two pages that hold the same are merged while the guest stores to one of them and a thread of the process to the other.
//
// Before they are compared for good nobody may be able to store to either: neither the guest, nor a CPU that has one in
// its TLB. A store that comes too late for the comparison must not be merged away.

import { type Scenario, scanForMerging } from '../explore/index.ts';
import { MADV_MERGEABLE, MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'ksm',
  about: 'two equal pages are merged while one is stored to by the guest and the other by a thread',
  host: { cpus: 2 },
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   sd a1, 16(a0)
            j done`,
  *setUp(world) {
    world.setRegisters(0, { a0: world.page(3), a1: 77 });
    for (const page of [2, 3]) yield* world.write64(world.page(page), 5n);
    // Back from swap, and still in their slots, which soon hold something else.
    yield* madvise(world.mm, world.hva(2), 8192, MADV_PAGEOUT);
    yield* world.write64(world.page(2) + 16, 77n);
    yield* world.warmUp(0);
    yield* madvise(world.mm, world.hva(2), 8192, MADV_MERGEABLE);
    // What changes between two scans is not merged: this is the first.
    yield* scanForMerging(world);
    yield* world.write64(world.page(2) + 16, 77n);
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *merger() {
      yield* scanForMerging(world);
    },
    *writer() {
      // Changes nothing, but now the page is in the CPU's TLB.
      yield* world.write64(world.page(2) + 16, 77n);
      yield* world.write64(world.page(2), 9n);
    },
  }),
};
