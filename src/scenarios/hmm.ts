// A device with tables of its own that mirror a page of the process (an interval notifier) writes to it while the page is
// reclaimed.
//
// The device looks the page up without a lock that reclaim takes, and installs it only if no range has met its
// subscription since. What it wrote is dirty before it lets go.

import { HmmMirror } from '../drivers/index.ts';
import type { Scenario } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'hmm',
  about: 'a device that mirrors a page writes to it while the page is reclaimed',
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    // Back from swap for a reader, and still in its slot: nobody but the device will know that it is dirty.
    yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    yield* world.read64(world.page(1));
    const mirror = new HmmMirror(world.mm, 1);
    yield* mirror.open(world.hva(1), 4096);
    world.devices.push(mirror);
  },
  tasks: (world) => ({
    *device() {
      const [mirror] = world.devices as [HmmMirror];
      for (const value of [7, 8]) {
        if ((yield* mirror.write(world.hva(1), value)) !== 0)
          return world.oracle.report('I9', 'the device faults');
        world.contents.written(world.page(1), Uint8Array.of(value));
      }
    },
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
