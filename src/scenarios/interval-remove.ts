// A device lets go of its mirror of a range (an interval notifier) while a page there is copied for a store.
//
// While a range is open the tree of subscriptions stays as it is: the removal is put off, and who asked for it must wait
// until it has been carried out, since he frees the subscription next.

import { HmmMirror } from '../drivers/index.ts';
import type { Scenario } from '../explore/index.ts';

export const scenario: Scenario = {
  name: 'interval-remove',
  about: 'a device closes its mirror of a range while a page there is copied for a store',
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    const mirror = new HmmMirror(world.mm, 1);
    yield* mirror.open(world.hva(1), 4096);
    // The page of zeros.
    yield* world.read64(world.page(1));
    yield* mirror.read(world.hva(1));
    world.devices.push(mirror);
  },
  tasks: (world) => ({
    *device() {
      yield* (world.devices[0] as HmmMirror).close();
    },
    *writer() {
      yield* world.write64(world.page(1), 9n);
    },
  }),
};
