// The mapping of a page is made inaccessible for a NUMA hint while the guest stores to it, and the fault that comes of
// it moves the page; a thread of the process writes to the page meanwhile.

import type { Scenario } from '../explore/index.ts';
import { changeProtNuma } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'numa-hint',
  about: 'a page is hinted at, and moved by the fault of whoever is first',
  guest: `
    vcpu0:  sd a1, 16(a0)
            ld a2, 16(a0)
    done:   j done
    warm:   sd a1, 0(a0)
            j done`,
  *setUp(world) {
    world.host.sysctl.numaMisplaced = true;
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *balancer() {
      yield* changeProtNuma(world.mm, world.hva(1), 4096);
      yield* world.write64(world.page(1) + 24, 9n);
    },
  }),
};
