// Two threads drop the same page (MADV_DONTNEED) at once.
//
// The slower finds nothing there any more and has nothing to flush; but the faster may not have flushed yet, and a CPU may
// still have the page when the slower returns.

import { hasReturned, type Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'two-drops',
  about: 'two threads drop the same page at once',
  host: { cpus: 2 },
  losesPages: [1],
  guest: `
    vcpu0:
    done:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
  },
  tasks: (world) => ({
    *first() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
      hasReturned(world, 1);
    },
    *second() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
      hasReturned(world, 1);
    },
  }),
};
