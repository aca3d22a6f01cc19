// A device that mirrors a page writes to it while the page is reclaimed, and a page beside it is dropped.
//
// Of two ranges that are open at once only one meets the mirror. The other's end must not let the device go on.

import { HmmMirror } from '../drivers/index.ts';
import type { Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'hmm-two-ranges',
  about: 'a device writes to a page that is reclaimed while another page is dropped',
  host: { cpus: 3 },
  losesPages: [2],
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    yield* world.write64(world.page(2), 0n);
    const mirror = new HmmMirror(world.mm, 1);
    yield* mirror.open(world.hva(1), 4096);
    yield* mirror.read(world.hva(1));
    world.devices.push(mirror);
  },
  tasks: (world) => ({
    *device() {
      if ((yield* (world.devices[0] as HmmMirror).write(world.hva(1), 7)) !== 0)
        return world.oracle.report('I9', 'the device faults');
      world.contents.written(world.page(1), Uint8Array.of(7));
    },
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(2), 4096, MADV_DONTNEED);
    },
  }),
};
