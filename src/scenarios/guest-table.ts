// A guest with page tables of its own changes an entry, fences, and stores through the new translation, while the host
// reclaims the page that the table is in.
//
// The shadow of the table must follow: the store to the table must be noticed, whoever has just taken its page away, and
// after the fence the old translation is gone.

import { GUEST_PAGING, type Scenario, SUPERVISOR, writeTables } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'guest-table',
  about: 'a guest changes a page table, and fences, while the host reclaims the page that the table is in',
  vm: { ramPages: 6 },
  paging: GUEST_PAGING,
  guest: `
    vcpu0:  sd a3, 0(a4)
            sfence.vma
            sd a1, 0(a0)
    done:   j done
    ${SUPERVISOR}
            sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* writeTables(world);
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* madvise(world.mm, world.hva(5), 4096, MADV_PAGEOUT);
    },
  }),
};
