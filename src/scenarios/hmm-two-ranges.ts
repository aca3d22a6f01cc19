// A page that a device mirrors is dropped; a thread drops the page beside it meanwhile, and then has the device write to the
// first.
//
// Of two ranges that are open at once only one meets the mirror. The end of the other must not let the device go on: what
// it finds in the page table is about to be taken out.

import { HmmMirror } from '../drivers/index.ts';
import type { Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'hmm-two-ranges',
  about: 'a page is dropped while the page beside it is, and a device writes to it then',
  host: { cpus: 2 },
  losesPages: [1, 2],
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    for (const page of [1, 2]) yield* world.write64(world.page(page), 5n);
    const mirror = new HmmMirror(world.mm, 1);
    yield* mirror.open(world.hva(1), 4096);
    yield* mirror.read(world.hva(1));
    world.devices.push(mirror);
  },
  tasks: (world) => ({
    *advisor() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
    },
    *driver() {
      yield* madvise(world.mm, world.hva(2), 4096, MADV_DONTNEED);
      if ((yield* (world.devices[0] as HmmMirror).write(world.hva(1), 7)) !== 0)
        world.oracle.report('I9', 'the device faults');
    },
  }),
};
