// A device has a page pinned for reading that its process shares with a child, while the process stores to it.
//
// Until it is unpinned, device and process have the same page: so who pins a page that is shared gets one of the process's
// own first. Otherwise the store makes a copy, and the device goes on reading the child's.

import type { Scenario } from '../explore/index.ts';
import { exitMm, fork, type Mm, pinUserPage, unpinUserPage } from '../mm/index.ts';
import { at, points } from '../sched/index.ts';
import { type Pfn, pfnToHpa } from '../units.ts';

export const scenario: Scenario = {
  name: 'pin-shared',
  about: 'a page that a process shares with a child is pinned for reading while the process stores to it',
  host: { cpus: 2 },
  guest: `
    vcpu0:  ld a2, 8(a0)
    done:   j done
    warm:   ld a2, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1) });
    yield* world.warmUp(0);
    world.others.push((yield* fork(world.mm)) as Mm);
  },
  tasks: (world) => ({
    *driver() {
      const pfn = yield* pinUserPage(world.mm, world.hva(1), false);
      if (pfn < 0) return world.oracle.report('I9', `pin failed: ${pfn}`);
      yield* world.write64(world.page(1), 9n);
      if (points.on) yield at.page(pfn);
      const seen = world.host.memory.read8(pfnToHpa(pfn as Pfn));
      if (seen !== 9) world.oracle.report('I2', `the device reads ${seen}, but 9 was stored there last`);
      yield* unpinUserPage(world.host, pfn as Pfn, false);
    },
    *child() {
      yield* exitMm(world.others[0]!);
    },
  }),
};
