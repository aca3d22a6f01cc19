// A huge page of shared memory that a process maps page by page is mapped by one entry again (MADV_COLLAPSE) while the guest
// stores to one of its pages.
//
// No page moves or goes; but the entries do, and for whoever frees a page later they are the only way to those who must be
// told: reverse mapping tells nobody where it finds no entry.
//
// The guest's code is in another 2 MiB, so that only the page that it stores to is taken from it; of the table, only the
// entry of that page is filled.

import type { Scenario } from '../explore/index.ts';
import { MADV_COLLAPSE, madvise, mprotect, PROT_READ, PROT_WRITE } from '../mm/index.ts';

const PAGES = 512;
/** The first of the huge page's. */
const FIRST = PAGES;

export const scenario: Scenario = {
  name: 'collapse-shmem',
  about: 'the page table of a huge page is taken out while the guest stores to the page',
  host: { frames: 1300, swapPages: 0 },
  vm: { ramPages: 2 * PAGES, ram: 'shmem' },
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(FIRST), 5n);
    yield* madvise(world.mm, world.hva(FIRST), PAGES * 4096, MADV_COLLAPSE);
    // A VMA that ends within the 2 MiB cannot map them by one entry; afterwards it is one VMA again, with a table.
    const last = world.hva(FIRST + PAGES - 1);
    yield* mprotect(world.mm, last, 4096, PROT_READ);
    world.setRegisters(0, { a0: world.page(FIRST), a1: 77 });
    yield* world.warmUp(0);
    yield* mprotect(world.mm, last, 4096, PROT_READ | PROT_WRITE);
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *advisor() {
      yield* madvise(world.mm, world.hva(FIRST), PAGES * 4096, MADV_COLLAPSE);
    },
  }),
};
