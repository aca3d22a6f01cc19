// Two vCPUs share page tables; one changes an entry, fences and uses the new translation while the other faults on the
// old one.
//
// The slower fault has read the old entry. What it installs must not be what the other finds after its fence.

import { GUEST_PAGING, type Scenario, SUPERVISOR, writeTables } from '../explore/index.ts';

export const scenario: Scenario = {
  name: 'guest-table-smp',
  about: 'one vCPU changes a page table, and fences, while another faults on the old entry',
  vm: { ramPages: 6, vcpus: 2 },
  paging: GUEST_PAGING,
  guest: `
    vcpu0:  ld a2, 0(a0)
            j done
    vcpu1:  sd a3, 0(a4)
            sfence.vma
            ld a2, 0(a0)
    done:   j done
    ${SUPERVISOR}
            j done`,
  *setUp(world) {
    yield* writeTables(world);
    for (const vcpu of [0, 1]) yield* world.warmUp(vcpu);
  },
  tasks: () => ({}),
};
