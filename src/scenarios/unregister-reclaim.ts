// A VM is destroyed while reclaim takes a page that its vCPU has mapped; the process lives on.

import type { Scenario } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';
import { mmuNotifierUnregister } from '../notifier/index.ts';

export const scenario: Scenario = {
  name: 'unregister-reclaim',
  about: 'a VM leaves the notifier chain while reclaim takes a page that its guest has mapped',
  mayEnd: ['memory_fault'],
  guest: `
    vcpu0:
    done:   j done
    warm:   sd a1, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *unregister() {
      yield* mmuNotifierUnregister(world.kvm.notifier!, world.mm);
    },
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
