// The process unmaps a page behind a memslot (munmap) while the guest stores to it.
//
// Afterwards there is no host page: a fault that comes too late ends KVM_RUN with -EFAULT, and no store may reach the
// frame.

import type { Scenario } from '../explore/index.ts';
import { munmap } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'unmap',
  about: 'the process unmaps a page while the guest stores to it',
  mayEnd: ['memory_fault'],
  losesPages: [1],
  guest: `
    vcpu0:  sd a1, 0(a0)
            sd a1, 8(a0)
    done:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
  },
  tasks: (world) => ({
    *unmapper() {
      yield* munmap(world.mm, world.hva(1), 4096);
    },
  }),
};
