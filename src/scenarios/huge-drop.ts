// One page of a huge page is dropped (MADV_DONTNEED) while the guest, which has all of it by one spte, stores to the page
// behind.
//
// The mapping of 2 MiB is taken apart first, of which every client must hear for all of it.

import type { Scenario } from '../explore/index.ts';
import { MADV_COLLAPSE, MADV_DONTNEED, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'huge-drop',
  about: 'one page of a huge page is dropped while the guest stores to another',
  host: { frames: 1300, swapPages: 0 },
  vm: { ramPages: 512, mmu: 'tdp' },
  losesPages: [1],
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 0n);
    yield* madvise(world.mm, world.hva(0), 512 * 4096, MADV_COLLAPSE);
    world.setRegisters(0, { a0: world.page(2), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *advisor() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
    },
  }),
};
