// A memslot is removed while its guest stores to another one.
//
// For any memslot that goes all shadow pages go, the roots too. A fault that has begun before holds a root that is dead by the
// time that it installs something: the slot is the same, and no notifier came, so only the root itself tells.

import type { Scenario } from '../explore/index.ts';
import { kvmSetMemoryRegion } from '../kvm/index.ts';

const OTHER = { slot: 1, flags: 0, guestPhysAddr: 0x9000_0000 };

export const scenario: Scenario = {
  name: 'memslot-other',
  about: 'a memslot is removed while its guest stores to another one',
  guest: `
    vcpu0:  sd a1, 0(a0)
            ld a2, 0(a0)
    done:   j done
    warm:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* kvmSetMemoryRegion(world.kvm, { ...OTHER, memorySize: 4096, userspaceAddr: world.hva(2) });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *vmm() {
      yield* kvmSetMemoryRegion(world.kvm, { ...OTHER, memorySize: 0, userspaceAddr: world.hva(2) });
    },
  }),
};
