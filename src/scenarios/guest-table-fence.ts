// One of two vCPUs changes an entry of a page table, and fences that address, while the host reclaims the page that the
// entry led to, which the other vCPU has in its TLB.
//
// The fence takes the spte away, and the rmap with it: from then on no notifier would tell the other vCPU.

import { GUEST_PAGING, type Scenario, SUPERVISOR, writeTables } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'guest-table-fence',
  about:
    'a vCPU changes a translation, and fences it, while the host reclaims the page that another still has by it',
  vm: { ramPages: 6, vcpus: 2 },
  paging: GUEST_PAGING,
  guest: `
    vcpu0:  sd a3, 0(a4)
            sfence.vma a0, zero
            ld a2, 0(a0)
            j done
    vcpu1:  ld a2, 8(a0)
    done:   j done
    ${SUPERVISOR}
            ld a2, 0(a0)
            sd a2, 8(a4)
            j done`,
  *setUp(world) {
    yield* writeTables(world);
    yield* world.write64(world.page(1), 0n);
    for (const vcpu of [0, 1]) yield* world.warmUp(vcpu);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
