// The process forks while one of its pages is on the swap device, and stores to it afterwards, while its guest reads it.
//
// Before, the page was the process's alone, and its entry says so. Whoever brings it back must not believe that any more, or
// parent and child have one writable page.

import { loadFrom, type Scenario } from '../explore/index.ts';
import { exitMm, fork, MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'fork-swap',
  about: 'the process forks while one of its pages is on the swap device, and stores to it afterwards',
  guest: `
    vcpu0:  ld a2, 8(a0)
    done:   j done
    warm:   ld a2, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1) });
    yield* world.warmUp(0);
    yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
  },
  tasks: (world) => ({
    *forker() {
      const child = yield* fork(world.mm);
      if (typeof child === 'number') return world.oracle.report('I9', `fork failed: ${child}`);
      yield* world.write64(world.page(1), 9n);
      const seen = yield* loadFrom(world, child, world.hva(1));
      if (seen !== 5n) world.oracle.report('I5', `the child loaded ${seen} after its parent's store`);
      yield* exitMm(child);
    },
  }),
};
