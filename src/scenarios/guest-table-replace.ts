// One vCPU changes an entry of a page table and stores by the new one at once, while the host reclaims the page that the entry
// was of, and another vCPU still has that in its TLB.
//
// The fault finds a translation of another page in the way. Until it fences, the other vCPU may use what it has; but when the
// old page goes nothing but its TLB knows of it any more: so that was flushed when the translation was replaced.

import { GUEST_PAGING, type Scenario, SUPERVISOR, writeTables } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

/** R, A, D, V: as writeTables() has it, but for W. */
const READ_ONLY = 0xc3;

export const scenario: Scenario = {
  name: 'guest-table-replace',
  about:
    'a vCPU stores by an entry that it has just changed, while the page that the entry was of is reclaimed',
  vm: { ramPages: 6, vcpus: 2 },
  paging: GUEST_PAGING,
  guest: `
    vcpu0:  ld a2, 8(a0)
            j done
    vcpu1:  sd a3, 0(a4)
            sd a1, 0(a0)
    done:   j done
    ${SUPERVISOR}
            ld a2, 0(a0)
            j done`,
  *setUp(world) {
    yield* writeTables(world);
    yield* world.write64(world.page(5), BigInt(world.gfn(1) * 1024 + READ_ONLY));
    for (const vcpu of [0, 1]) yield* world.warmUp(vcpu);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
