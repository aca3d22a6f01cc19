// A page that a CPU stores to is hinted at, and the access of another thread moves it before the CPU was flushed.
//
// Between the change of the entry and the flush the entry says that nobody may access the page, and yet a CPU does.
// Whoever moves it must flush all the same.

import type { Scenario } from '../explore/index.ts';
import { changeProtNuma } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'numa-migrate',
  about: 'a page is hinted at, and moved by one thread while another stores to it through its TLB',
  host: { cpus: 3 },
  *setUp(world) {
    world.host.sysctl.numaMisplaced = true;
    yield* world.write64(world.page(1), 5n);
  },
  tasks: (world) => ({
    // On the CPU of the setup, which has the page in its TLB.
    *writer() {
      yield* world.write64(world.page(1), 9n);
    },
    *balancer() {
      yield* changeProtNuma(world.mm, world.hva(1), 4096);
    },
    *reader() {
      yield* world.read64(world.page(1));
    },
  }),
};
