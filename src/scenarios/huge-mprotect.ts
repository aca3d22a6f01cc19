// The process write-protects a huge page while its guest and another thread store to it.
//
// One entry of 2 MiB is changed, and one flush is owed for it: when mprotect() has returned nobody stores any more, by a
// translation of 2 MiB or of one of its pages.

import { hasReturned, readTwice, type Scenario } from '../explore/index.ts';
import { MADV_COLLAPSE, madvise, mprotect, PROT_READ } from '../mm/index.ts';

const PAGES = 512;

export const scenario: Scenario = {
  name: 'huge-mprotect',
  about: 'the process write-protects a huge page that its guest and another thread store to',
  host: { frames: 1300, swapPages: 0, cpus: 2 },
  vm: { ramPages: PAGES, mmu: 'tdp' },
  mayEnd: ['memory_fault'],
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   sd a1, 16(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    yield* madvise(world.mm, world.hva(0), PAGES * 4096, MADV_COLLAPSE);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
    yield* world.write64(world.page(1), 6n);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.store(world.page(1) + 8, Uint8Array.of(9));
    },
    *protector() {
      yield* mprotect(world.mm, world.hva(0), PAGES * 4096, PROT_READ);
      hasReturned(world, 1);
      yield* readTwice(world, 1, 'a page was stored to after mprotect() had returned');
    },
  }),
};
