// The VMM takes a memslot away while a vCPU stores to one of its page tables there, which KVM does for it.
//
// When the ioctl returns nobody is left who found the slot before: neither with an spte to install, nor with a store to
// make on the guest's behalf.

import { GUEST_PAGING, readTwice, type Scenario, SUPERVISOR, writeTables } from '../explore/index.ts';
import { kvmSetMemoryRegion } from '../kvm/index.ts';

/** The table above the lowest: stores to it always trap. */
const MIDDLE = 4;

export const scenario: Scenario = {
  name: 'memslot-table',
  about: 'a memslot is removed while KVM stores to a page table there for its guest',
  vm: { ramPages: 6 },
  paging: GUEST_PAGING,
  mayEnd: ['mmio', 'memory_fault', 'shutdown'],
  guest: `
    vcpu0:  sd a3, 8(a4)
    done:   j done
    ${SUPERVISOR}
            ld a2, 0(a0)
            j done`,
  *setUp(world) {
    yield* writeTables(world);
    world.setRegisters(0, { a4: world.page(MIDDLE) });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *vmm() {
      const [guestPhysAddr, userspaceAddr] = [world.page(0), world.hva(0)];
      yield* kvmSetMemoryRegion(world.kvm, {
        slot: 0,
        flags: 0,
        guestPhysAddr,
        memorySize: 0,
        userspaceAddr,
      });
      yield* readTwice(world, MIDDLE, 'a store was made for a guest to memory of no memslot');
    },
  }),
};
