// The VMM takes a memslot away while reclaim has a notifier range of its memory open.
//
// The start and the end of a range must find the same memslots, or KVM waits for ever for the end of what it counted.

import type { Scenario } from '../explore/index.ts';
import { kvmSetMemoryRegion } from '../kvm/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'memslot-range',
  about: 'a memslot is removed while a page of its memory is reclaimed',
  guest: `
    vcpu0:
    done:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
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
    },
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
