// A thread stores to a page of zeros while it is merged with the zero page.
//
// Once the page was compared, the store has nothing to wait for: it makes a copy, and the entry that was to be replaced is
// another one.

import { type Scenario, scanForMerging } from '../explore/index.ts';
import { MADV_MERGEABLE, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'ksm-zero',
  about: 'a thread stores to a page of zeros while it is merged with the zero page',
  host: { cpus: 2 },
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    world.host.ksm.useZeroPages = true;
    yield* world.write64(world.page(2), 0n);
    yield* madvise(world.mm, world.hva(2), 4096, MADV_MERGEABLE);
    // What changes between two scans is not merged: this is the first.
    yield* scanForMerging(world);
  },
  tasks: (world) => ({
    *merger() {
      yield* scanForMerging(world);
    },
    *writer() {
      yield* world.write64(world.page(2), 9n);
    },
  }),
};
