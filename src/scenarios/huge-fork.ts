// The process forks while its guest stores to a huge page, which is shared from then on.
//
// One entry of 2 MiB is write-protected for parent and child; a translation of 2 MiB, or of one of its pages, that is left
// writable in a secondary MMU shows the child what its parent stores.

import { loadFrom, type Scenario } from '../explore/index.ts';
import { exitMm, fork, MADV_COLLAPSE, madvise } from '../mm/index.ts';

const PAGES = 512;

export const scenario: Scenario = {
  name: 'huge-fork',
  about: 'the process forks while its guest stores to a huge page that is shared from then on',
  host: { frames: 1300, swapPages: 0 },
  vm: { ramPages: PAGES, mmu: 'tdp' },
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    yield* madvise(world.mm, world.hva(0), PAGES * 4096, MADV_COLLAPSE);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *forker() {
      const child = yield* fork(world.mm);
      if (typeof child === 'number') return world.oracle.report('I9', `fork failed: ${child}`);
      const first = yield* loadFrom(world, child, world.hva(1));
      yield* world.write64(world.page(1) + 16, 9n);
      const later = yield* loadFrom(world, child, world.hvaOf(world.page(1) + 16));
      const again = yield* loadFrom(world, child, world.hva(1));
      if (later !== 0n) world.oracle.report('I5', 'the child sees what its parent stored after fork()');
      if (again !== first) world.oracle.report('I5', `the child loaded ${first} and then ${again}`);
      yield* exitMm(child);
    },
  }),
};
