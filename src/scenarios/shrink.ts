// The host takes shadow pages back from KVM (its shrinker) while one vCPU changes a page table, and another goes on by what it
// has in its TLB.
//
// What a shadow page maps is dropped with it, and every vCPU flushed, before its frame is somebody else's; a page table that is
// shadowed no more may be stored to freely, and is read again when it is walked next.

import { GUEST_PAGING, type Scenario, SUPERVISOR, writeTables } from '../explore/index.ts';

export const scenario: Scenario = {
  name: 'shrink',
  about: 'shadow pages are taken back while one vCPU changes a page table and another uses its TLB',
  vm: { ramPages: 6, vcpus: 2 },
  paging: GUEST_PAGING,
  guest: `
    vcpu0:  sd a1, 0(a0)
            j done
    vcpu1:  sd a3, 0(a4)
            sfence.vma
            ld a2, 0(a0)
    done:   j done
    ${SUPERVISOR}
            sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* writeTables(world);
    for (const vcpu of [0, 1]) yield* world.warmUp(vcpu);
  },
  tasks: (world) => ({
    *shrinker() {
      yield* world.kvm.shrinker.scanObjects(4, null);
    },
  }),
};
