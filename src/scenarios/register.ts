// A VM is created, and so subscribes to the mm's notifiers, while another thread of the process drops pages.
//
// Nobody may subscribe in the middle of a range unseen (reference rule: registration takes all locks).

import type { Scenario } from '../explore/index.ts';
import { createVm, destroyVm } from '../kvm/index.ts';
import { MADV_DONTNEED, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'register',
  about: 'a VM subscribes while the process drops pages, and goes again',
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    yield* world.write64(world.page(1), 0n);
  },
  tasks: (world) => ({
    *advisor() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
    },
    *creator() {
      const { host, mm, vm } = world;
      const kvm = yield* createVm({ host, mm, harts: [], mmu: vm.mmu, maxMmuPages: 16 });
      if (typeof kvm !== 'number') yield* destroyVm(kvm);
    },
  }),
};
