// A guest changes an entry of a page table, and then makes the whole table reachable at another address as well, where it has
// never been.
//
// At the old address the old translation may be used until a fence. At the new one there was none: what is shadowed for it
// must be what the table says now, and not what it said when it was shadowed.

import { GUEST_PAGING, type Scenario, SUPERVISOR, writeTables } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

/** The 2 MiB after those of GUEST_PAGING. */
const ALIAS = GUEST_PAGING.pages[0]! + 2 ** 21;
const [MIDDLE, LEAF] = [4, 5];
const TABLE = 1;

export const scenario: Scenario = {
  name: 'guest-table-alias',
  about: 'a guest changes a page table and makes it reachable at a second address while the host reclaims it',
  vm: { ramPages: 6 },
  paging: { ...GUEST_PAGING, pages: [...GUEST_PAGING.pages, ALIAS] },
  guest: `
    vcpu0:  sd a3, 0(a4)
            sd a6, 8(a7)
            ld a2, 0(s2)
    done:   j done
    ${SUPERVISOR}
            ld a2, 0(a0)
            j done`,
  *setUp(world) {
    yield* writeTables(world);
    world.setRegisters(0, { a6: world.gfn(LEAF) * 1024 + TABLE, a7: world.page(MIDDLE), s2: ALIAS });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* madvise(world.mm, world.hva(LEAF), 4096, MADV_PAGEOUT);
    },
  }),
};
