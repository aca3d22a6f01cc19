// A driver unregisters its notifier, and frees it, while a page is dropped.
//
// When unregister has returned no callback runs, and none will: a caller that was under way has been waited for.

import type { Scenario, World } from '../explore/index.ts';
import { MADV_DONTNEED, madvise } from '../mm/index.ts';
import { MmuNotifier, mmuNotifierRegister, mmuNotifierUnregister } from '../notifier/index.ts';
import { at, points, type Steps } from '../sched/index.ts';

class Driver extends MmuNotifier {
  isFreed = false;

  constructor(world: World) {
    super(world.sched.lockId(), {
      *invalidateRangeStart() {
        yield* driver.use(world);
        return 0;
      },
      *invalidateRangeEnd() {
        yield* driver.use(world);
      },
    });
    const driver = this;
  }

  /** Two steps of a callback. */
  *use({ oracle }: World): Steps {
    for (let i = 0; i < 2; i++) {
      if (points.on) yield at.sequence(this.id);
      if (this.isFreed) oracle.report('I7', 'a notifier is used that was unregistered and freed');
    }
  }
}

const drivers = new WeakMap<World, Driver>();

export const scenario: Scenario = {
  name: 'unregister',
  about: 'a driver unregisters its notifier while a page is dropped',
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    yield* world.write64(world.page(1), 0n);
    const driver = new Driver(world);
    drivers.set(world, driver);
    yield* mmuNotifierRegister(driver, world.mm);
  },
  tasks: (world) => ({
    *driver() {
      const driver = drivers.get(world)!;
      yield* mmuNotifierUnregister(driver, world.mm);
      if (points.on) yield at.sequence(driver.id);
      driver.isFreed = true;
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
    },
  }),
};
