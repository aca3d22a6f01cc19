// A guest changes an entry above the lowest level of its page tables, and fences, while the host reclaims the page that the
// entry is in.
//
// Stores to such a table always trap, and KVM makes them: what it has derived from the old entry must be gone when the guest
// has fenced, and the table that the entry pointed to is reached no more.

import { GUEST_PAGING, type Scenario, SUPERVISOR, writeTables } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

const [MIDDLE, OTHER_LEAF] = [4, 6];
const TABLE = 0x01;
const LEAF_RW = 0xc7;

export const scenario: Scenario = {
  name: 'guest-table-upper',
  about: 'a guest changes an entry above the lowest level, and fences, while the host reclaims the table',
  vm: { ramPages: 7 },
  paging: GUEST_PAGING,
  guest: `
    vcpu0:  sd a6, 0(a7)
            sfence.vma
            ld a2, 0(a0)
    done:   j done
    ${SUPERVISOR}
            ld a2, 0(a0)
            j done`,
  *setUp(world) {
    yield* writeTables(world);
    yield* world.write64(world.page(OTHER_LEAF), BigInt(world.gfn(2) * 1024 + LEAF_RW));
    world.setRegisters(0, { a6: world.gfn(OTHER_LEAF) * 1024 + TABLE, a7: world.page(MIDDLE) });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* madvise(world.mm, world.hva(MIDDLE), 4096, MADV_PAGEOUT);
    },
  }),
};
