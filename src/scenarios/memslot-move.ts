// The VMM moves a memslot to other guest physical addresses while a vCPU stores to where it was.
//
// When the ioctl returns, no vCPU reaches the memory at its old address any more; what the fault of one has looked up in
// the old slot must not be installed.

import { readTwice, type Scenario } from '../explore/index.ts';
import { kvmSetMemoryRegion } from '../kvm/index.ts';

export const scenario: Scenario = {
  name: 'memslot-move',
  about: 'a memslot is moved while its guest stores to where it was',
  mayEnd: ['mmio', 'memory_fault', 'shutdown'],
  guest: `
    vcpu0:  sd a1, 0(a0)
            sd a1, 8(a0)
    done:   j done
    warm:   ld a2, 16(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *vmm() {
      const { kvm } = world;
      const memorySize = world.vm.ramPages * 4096;
      const region = { slot: 0, flags: 0, memorySize, userspaceAddr: world.hva(0) };
      yield* kvmSetMemoryRegion(kvm, { ...region, guestPhysAddr: world.page(0) + memorySize });
      yield* readTwice(world, 1, 'a guest stored to memory that has moved away');
    },
  }),
};
