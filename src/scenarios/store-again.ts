// A page that came back from swap for a reader, and so is clean and still has its slot, is stored to by a thread of the
// process and reclaimed again, while the guest reads it.
//
// Only the host's PTE knows that the page is dirty. What unmapping it forgets is lost, since reclaim drops a clean page
// of the swap cache without writing it.

import type { Scenario } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'store-again',
  about: 'a page that came back from swap is stored to by a thread of the process and reclaimed once more',
  host: { cpus: 2 },
  guest: `
    vcpu0:  ld a2, 0(a0)
    done:   j done
    warm:   ld a2, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    world.setRegisters(0, { a0: world.page(1) });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(1), 77n);
    },
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
