// Shared memory that is mapped page by page is copied into a huge page (MADV_COLLAPSE) while the guest and another thread store
// to one of its pages.
//
// The pages are unmapped one after the other, and the page table that is left is taken out: whoever has found it, and is about
// to enter a page, must see that it is gone, and whoever still stores by an old TLB entry must be stopped before the copy.

import type { Scenario } from '../explore/index.ts';
import { MADV_COLLAPSE, madvise } from '../mm/index.ts';

const PAGES = 512;

export const scenario: Scenario = {
  name: 'collapse-file',
  about:
    'pages of shared memory are copied into a huge page while the guest and a thread store to one of them',
  host: { frames: 1300, swapPages: 0, cpus: 3 },
  vm: { ramPages: PAGES, ram: 'shmem' },
  guest: `
    vcpu0:  sd a1, 0(a0)
            ld a2, 8(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    // On the CPU of the setup, which has the page in its TLB.
    *writer() {
      yield* world.write64(world.page(1) + 16, 9n);
      // A hole so far.
      yield* world.write64(world.page(2), 10n);
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(0), PAGES * 4096, MADV_COLLAPSE);
    },
  }),
};
