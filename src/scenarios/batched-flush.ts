// Reclaim has taken a page out of the page table and put the flush of the CPUs off, when the process write-protects its
// memory.
//
// The call finds nothing there to flush, and must flush all the same before it returns: a CPU may still have the page in
// its TLB.

import { hasReturned, type Scenario } from '../explore/index.ts';
import { mprotect, PROT_READ, tryToFreePages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'batched-flush',
  about: 'memory is write-protected while reclaim owes the CPUs a flush of one of its pages',
  host: { cpus: 2 },
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    yield* world.write64(world.page(0) + 2048, 6n);
    // Looked at once: not used since, and still in the CPU's TLB.
    yield* tryToFreePages(world.host, 0);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* tryToFreePages(world.host, 0);
    },
    *caller() {
      yield* mprotect(world.mm, world.hva(0), world.vm.ramPages * 4096, PROT_READ);
      for (const page of [0, 1]) hasReturned(world, page);
    },
  }),
};
