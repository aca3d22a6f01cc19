// The process forks while a device writes to one of its pages, which is pinned, and stores to it afterwards.
//
// Whoever has a page pinned and the process that it was pinned for go on having the same page. So the child gets a copy at
// once: if both shared the page, the parent's next store would make a copy, and the device would write to the child's.

import { type Scenario, storeByDevice } from '../explore/index.ts';
import { exitMm, fork, pinUserPage, unpinUserPage } from '../mm/index.ts';
import type { Pfn } from '../units.ts';

export const scenario: Scenario = {
  name: 'fork-pin',
  about: 'the process forks while a device writes to one of its pages, which is pinned',
  guest: `
    vcpu0:  ld a2, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *driver() {
      const pfn = yield* pinUserPage(world.mm, world.hva(1), true);
      if (pfn < 0) return world.oracle.report('I9', `pin failed: ${pfn}`);
      for (const value of [7n, 8n]) yield* storeByDevice(world, pfn as Pfn, world.page(1), value);
      yield* unpinUserPage(world.host, pfn as Pfn, true);
    },
    *forker() {
      const child = yield* fork(world.mm);
      if (typeof child === 'number') return world.oracle.report('I9', `fork failed: ${child}`);
      yield* world.write64(world.page(1) + 16, 9n);
      yield* exitMm(child);
    },
  }),
};
