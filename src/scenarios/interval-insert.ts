// A device begins to mirror two pages, and reads them, while each is copied for a store; there is a mirror of one of them.
//
// Which ranges are open is not known to who is inserted: it counts as met by all of them, and waits. If the tree is in use it
// goes in later.

import { HmmMirror } from '../drivers/index.ts';
import type { Scenario } from '../explore/index.ts';

export const scenario: Scenario = {
  name: 'interval-insert',
  about: 'a device opens a mirror of pages that are being copied for stores',
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    const first = new HmmMirror(world.mm, 1);
    yield* first.open(world.hva(1), 4096);
    // The page of zeros.
    for (const page of [2, 1]) yield* world.read64(world.page(page));
    yield* first.read(world.hva(1));
    world.devices.push(first, new HmmMirror(world.mm, 2));
  },
  tasks: (world) => ({
    *device() {
      const mirror = world.devices[1] as HmmMirror;
      if ((yield* mirror.open(world.hva(1), 8192)) !== 0)
        return world.oracle.report('I9', 'the mirror cannot be opened');
      for (const page of [2, 1]) {
        const value = yield* mirror.read(world.hva(page));
        if (value !== 0 && value !== 9) world.oracle.report('I2', `the device reads ${value}`);
      }
    },
    *writer() {
      // Only the second of these ranges meets the mirror that is there.
      for (const page of [2, 1]) yield* world.write64(world.page(page), 9n);
    },
  }),
  *finish(world) {
    const mirror = world.devices[1] as HmmMirror;
    for (const page of [2, 1]) {
      const value = yield* mirror.read(world.hva(page));
      if (value !== 9) world.oracle.report('I2', `the device reads ${value}, but 9 was stored there last`);
    }
    for (const device of world.devices) yield* (device as HmmMirror).close();
  },
};
