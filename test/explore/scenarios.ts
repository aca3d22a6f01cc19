// Scenarios that the tests of the explorer run. Loaded into variants, by path.

import type { Scenario } from '../../src/explore/index.ts';
import { MADV_DONTNEED, MADV_PAGEOUT, madvise } from '../../src/mm/index.ts';

/** A page is reclaimed while a guest stores to it. */
export const pageout: Scenario = {
  name: 'pageout',
  about: 'a page is reclaimed while the guest stores to it',
  guest: `
    vcpu0:  sd a1, 0(a0)
            ld a2, 0(a0)
            sd a2, 8(a0)
    done:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
  },
  tasks: (world) => ({
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};

/** Two vCPUs of a VM with a second stage, and the process gives one of their pages up. */
export const dontneed: Scenario = {
  name: 'dontneed',
  about: 'MADV_DONTNEED on a page that two vCPUs read',
  vm: { vcpus: 2, mmu: 'tdp' },
  guest: `
    vcpu0:  ld a2, 0(a0)
            j done
    vcpu1:  ld a2, 0(a0)
    done:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(2), 0n);
    world.setRegisters(0, { a0: world.page(2) });
    world.setRegisters(1, { a0: world.page(2) });
  },
  tasks: (world) => ({
    *advisor() {
      yield* madvise(world.mm, world.hva(2), 4096, MADV_DONTNEED);
    },
  }),
};
