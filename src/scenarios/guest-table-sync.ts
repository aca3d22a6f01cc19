// Two vCPUs share page tables, and both can store to the lowest, which KVM lets go out of sync; one fences, which brings
// it in sync again, while the other changes an entry through its TLB.
//
// What is stored after the comparison must trap, so no TLB may permit it any more; or the other's own fence would find a
// table that counts as in sync, and is not.

import { GUEST_PAGING, type Scenario, SUPERVISOR, writeTables } from '../explore/index.ts';

export const scenario: Scenario = {
  name: 'guest-table-sync',
  about: 'one vCPU fences while another, which has the page table in its TLB, changes an entry of it',
  vm: { ramPages: 6, vcpus: 2 },
  paging: GUEST_PAGING,
  guest: `
    vcpu0:  sfence.vma
            j done
    vcpu1:  sd a3, 0(a4)
            sfence.vma
            ld a2, 0(a0)
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
  tasks: () => ({}),
};
