// Reclaim has taken a page out of the page table and put the flush of the CPUs off, when the process write-protects the
// page, or gives it up.
//
// The call finds nothing there to flush, and must flush all the same before it returns: a CPU may still have the page in
// its TLB.

import { hasReturned, type Scenario } from '../explore/index.ts';
import {
  MADV_COLD,
  MADV_DONTNEED,
  madvise,
  mprotect,
  PROT_READ,
  PROT_WRITE,
  tryToFreePages,
} from '../mm/index.ts';
import { mmuNotifierClearYoung } from '../notifier/index.ts';

export const scenario: Scenario = {
  name: 'batched-flush',
  about: 'a page is write-protected and given up while reclaim owes the CPUs a flush of it',
  host: { cpus: 2 },
  losesPages: [1],
  guest: `
    vcpu0:
    done:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    yield* madvise(world.mm, world.hva(1), 4096, MADV_COLD);
    yield* mmuNotifierClearYoung(world.mm, world.hva(1), world.hva(2));
    yield* world.write64(world.page(1), 5n);
  },
  tasks: (world) => ({
    *reclaim() {
      yield* tryToFreePages(world.host, 0);
    },
    *caller() {
      yield* mprotect(world.mm, world.hva(1), 4096, PROT_READ);
      hasReturned(world, 1);
      yield* mprotect(world.mm, world.hva(1), 4096, PROT_READ | PROT_WRITE);
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
      hasReturned(world, 1);
    },
  }),
};
