// A page of the file that is guest memory is cut out of it while the guest stores to the page.
//
// The page is taken out of every page table by its file's list of mappings, then out of the cache, then freed; a fault
// that comes meanwhile gets either page, but never the one that is freed.

import { checkShared, type Scenario } from '../explore/index.ts';
import { filePunchHole } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'punch',
  about: 'a page is cut out of the file that is guest memory while the guest stores to it',
  vm: { ram: 'file' },
  losesPages: [1],
  guest: `
    vcpu0:  sd a1, 0(a0)
            ld a2, 8(a0)
    done:   j done
    warm:   ld a2, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 0n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *cutter() {
      yield* filePunchHole(world.file, 4096, 4096);
    },
  }),
  *finish(world) {
    yield* checkShared(world, 1);
  },
};
