// A device that has written to a page closes its mirror of it while the page is reclaimed.
//
// Only the device's TLB knows that the page is dirty: what it lets go of is told to the page first, and while the page is still
// sure to be there, which is until the subscription ends.

import { HmmMirror } from '../drivers/index.ts';
import type { Scenario } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'hmm-close',
  about: 'a device that has written to a page closes its mirror while the page is reclaimed',
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    // Back from swap for a reader, and still in its slot.
    yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    yield* world.read64(world.page(1));
    const mirror = new HmmMirror(world.mm, 1);
    yield* mirror.open(world.hva(1), 4096);
    if ((yield* mirror.write(world.hva(1), 7)) !== 0) return world.oracle.report('I9', 'the device faults');
    world.contents.written(world.page(1), Uint8Array.of(7));
    world.devices.push(mirror);
  },
  tasks: (world) => ({
    *device() {
      yield* (world.devices[0] as HmmMirror).close();
    },
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
