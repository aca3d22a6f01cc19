// Reclaim unmaps a page and writes it out, while a CPU that has it in its TLB, dirty already, stores to it once more.
//
// The PTE is gone, and the TLB's entry is as good as ever until it is flushed: so CPUs that may store are flushed before
// the page is written, since what comes after that is lost.

import type { Scenario } from '../explore/index.ts';
import { tryToFreePages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'store-writeout',
  about: 'a CPU stores by an old TLB entry to a page that reclaim unmaps and writes out',
  host: { cpus: 2 },
  guest: `
    vcpu0:
    done:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    yield* world.write64(world.page(0) + 2048, 6n);
    // Looked at once: not used since, and still in the CPU's TLB.
    yield* tryToFreePages(world.host, 0);
  },
  tasks: (world) => ({
    // On the CPU that has stored before.
    *writer() {
      yield* world.write64(world.page(1), 9n);
    },
    *reclaim() {
      yield* tryToFreePages(world.host, 0);
    },
  }),
};
