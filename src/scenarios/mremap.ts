// The process moves a page of shared memory to another address while the page is cut out of the file, and a CPU still has
// it at the old address in its TLB.
//
// Whoever cuts finds the page at its new address and flushes that; the old one is mremap()'s to flush, before anybody can
// find the page where it went.

import { hasReturned, type Scenario } from '../explore/index.ts';
import { filePunchHole, MREMAP_MAYMOVE, mremap } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'mremap',
  about: 'a page is moved to another address while it is cut out of its file',
  host: { cpus: 2 },
  vm: { ram: 'shmem' },
  mayEnd: ['memory_fault'],
  losesPages: [1],
  guest: `
    vcpu0:
    done:   j done
    warm:   sd a1, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *mover() {
      yield* mremap(world.mm, world.hva(1), 4096, 8192, MREMAP_MAYMOVE, 0);
      hasReturned(world, 1);
    },
    *cutter() {
      yield* filePunchHole(world.file, 4096, 4096);
    },
  }),
};
