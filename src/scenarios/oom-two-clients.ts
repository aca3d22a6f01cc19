// The OOM reaper meets two clients: a VM, and a driver that cannot be told without sleeping.
//
// The driver refuses; the VM, which was told first, must get its end all the same, or its guest faults for ever.

import type { Scenario } from '../explore/index.ts';
import { MmuNotifier, mmuNotifierRegister } from '../notifier/index.ts';
import { Errno } from '../units.ts';

export const scenario: Scenario = {
  name: 'oom-two-clients',
  about: 'the OOM reaper is refused by one of two clients while a guest faults',
  mayEnd: ['memory_fault'],
  losesPages: [0, 1, 2, 3],
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    const driver = new MmuNotifier(world.sched.lockId(), {
      *invalidateRangeStart(_subscription, range) {
        return range.blockable ? 0 : -Errno.EAGAIN;
      },
    });
    yield* mmuNotifierRegister(driver, world.mm);
  },
  tasks: (world) => ({
    *killer() {
      world.host.oomKiller.outOfMemory(world.host);
    },
  }),
};
