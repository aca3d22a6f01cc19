// The VMM takes a memslot away while a vCPU stores to its memory.
//
// When the ioctl returns, no vCPU reaches the memory any more: neither by a translation that it has, nor by one that a
// fault is about to install. The store after that is the devices' business.

import { readTwice, type Scenario } from '../explore/index.ts';
import { kvmSetMemoryRegion } from '../kvm/index.ts';

export const scenario: Scenario = {
  name: 'memslot',
  about: 'a memslot is removed while its guest stores to it',
  mayEnd: ['mmio', 'memory_fault', 'shutdown'],
  guest: `
    vcpu0:  sd a1, 0(a0)
            sd a1, 8(a0)
    done:   j done
    warm:   sd a1, 16(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *vmm() {
      const region = {
        slot: 0,
        flags: 0,
        guestPhysAddr: world.page(0),
        memorySize: 0,
        userspaceAddr: world.hva(0),
      };
      yield* kvmSetMemoryRegion(world.kvm, region);
      yield* readTwice(world, 1, 'a guest stored to memory of no memslot');
    },
  }),
};
