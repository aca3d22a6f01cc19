// One page of a huge page of shared memory is cut out of its file while the guest stores to another page of it.
//
// The huge page is mapped by one entry, which is dropped, and then taken apart: whoever has a translation of 2 MiB to it must be
// told of all of them, not of the one page.

import type { Scenario } from '../explore/index.ts';
import { filePunchHole, MADV_COLLAPSE, madvise } from '../mm/index.ts';

const PAGES = 512;

export const scenario: Scenario = {
  name: 'huge-punch',
  about: 'one page of a huge page of shared memory is cut out while the guest stores to another',
  host: { frames: 1300, swapPages: 0, cpus: 2 },
  vm: { ramPages: PAGES, ram: 'shmem', mmu: 'tdp' },
  losesPages: [1],
  guest: `
    vcpu0:  sd a1, 0(a0)
            ld a2, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    yield* madvise(world.mm, world.hva(0), PAGES * 4096, MADV_COLLAPSE);
    world.setRegisters(0, { a0: world.page(2), a1: 77 });
    yield* world.warmUp(0);
    yield* world.write64(world.page(3), 6n);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(3) + 8, 9n);
    },
    *cutter() {
      yield* filePunchHole(world.file, 4096, 4096);
    },
  }),
};
