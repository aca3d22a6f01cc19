// A guest stores to a page, which came back from swap for a reader, and then walks it as a page table while the host reclaims it.
//
// Only the translation knows of the store. When the page is write-protected, because it is a table now, that must not be
// forgotten: reclaim drops a clean page of the swap cache without writing it.

import { GUEST_PAGING, ioDone, type Scenario, SUPERVISOR, writeTables } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

const LEAF = 5;

export const scenario: Scenario = {
  name: 'guest-table-dirty',
  about: 'a guest stores to a page and then uses it as a page table while the host reclaims it',
  vm: { ramPages: 6 },
  paging: GUEST_PAGING,
  guest: `
    vcpu0:  ld t3, 0(a4)
            sd a3, 0(a4)
            j warm
    done:   j done
    ${SUPERVISOR}
            ld a2, 0(a0)
            j done`,
  *setUp(world) {
    yield* writeTables(world);
    yield* madvise(world.mm, world.hva(LEAF), 4096, MADV_PAGEOUT);
    yield* ioDone(world);
    yield* world.read64(world.page(LEAF));
  },
  tasks: (world) => ({
    *reclaim() {
      yield* madvise(world.mm, world.hva(LEAF), 4096, MADV_PAGEOUT);
    },
  }),
};
