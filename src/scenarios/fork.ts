// The process forks while its guest and a thread of its own store to a page.
//
// Parent and child share the page read-only from then on. Whoever stores later gets a copy, the guest as well: the
// child must find what was there when it was made, whatever is stored afterwards, and the parent every store.

import { loadFrom, type Scenario } from '../explore/index.ts';
import { exitMm, fork } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'fork',
  about: 'the process forks while its guest stores to a page that is shared from then on',
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
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
