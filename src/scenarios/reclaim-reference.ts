// A device writes to a page of a file by a reference that its driver has, while reclaim takes the page, which was written back
// since the driver got it.
//
// Reclaim finds the page clean; but the driver marks it dirty and lets go of it, in this order. Who finds nobody's reference
// but his own must look for that once more.

import { type Scenario, storeByReference, type World } from '../explore/index.ts';
import { getUserPage, MADV_PAGEOUT, madvise, vfsFsync } from '../mm/index.ts';
import type { Pfn } from '../units.ts';

/** The page that the driver has. */
const taken = new WeakMap<World, Pfn>();

export const scenario: Scenario = {
  name: 'reclaim-reference',
  about: 'a device writes to a page of a file by a reference while reclaim takes the page',
  vm: { ram: 'file' },
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    taken.set(world, (yield* getUserPage(world.mm, world.hva(1), true)) as Pfn);
    yield* vfsFsync(world.file.mapping);
  },
  tasks: (world) => ({
    *driver() {
      const pfn = taken.get(world)!;
      yield* storeByReference(world, pfn, world.page(1), 9n);
    },
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
