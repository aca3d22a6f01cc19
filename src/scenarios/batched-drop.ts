// Reclaim has taken a page out of the page table and put the flush of the CPUs off, when the process gives the page up.
//
// The call finds a swap entry and no page; a CPU may still have the page in its TLB, and the call must not return before it
// is flushed.

import { hasReturned, type Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, madvise, tryToFreePages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'batched-drop',
  about: 'a page is given up while reclaim owes the CPUs a flush of it',
  host: { cpus: 2 },
  losesPages: [1],
  guest: `
    vcpu0:
    done:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    // Looked at once: not used since, and still in the CPU's TLB.
    yield* tryToFreePages(world.host, 0);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* tryToFreePages(world.host, 0);
    },
    *caller() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
      hasReturned(world, 1);
    },
  }),
};
