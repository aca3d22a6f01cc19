// A page that is on the swap device, and still in the swap cache, is dropped, stored to anew and reclaimed, while a thread
// faults it in.
//
// The new page has the slot of the old one, so that the entry is the same again: only the folio tells the slower of the two
// that what it has found is not that page any more.

import { loadFrom, type Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'swapin-drop',
  about: 'a page in swap is dropped, stored to anew and reclaimed, while another thread faults it in',
  // One slot: it is used again at once.
  host: { swapPages: 1, cpus: 2 },
  losesPages: [1],
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
  },
  tasks: (world) => ({
    *reader() {
      yield* loadFrom(world, world.mm, world.hva(1));
    },
    *writer() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
      yield* world.write64(world.page(1), 9n);
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
  *finish(world) {
    const seen = yield* loadFrom(world, world.mm, world.hva(1));
    if (seen !== 9n) world.oracle.report('I3', `9 was stored to page 1 last, and ${seen} is there`);
  },
};
