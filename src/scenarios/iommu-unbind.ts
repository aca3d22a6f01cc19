// The last device that is bound to a process lets go of it while another is bound, and a page is dropped.
//
// Devices of one process share a subscription (mmu_notifier_get): it must not be found by the one when the other has put it, nor
// be freed while a callback of it runs.

import { SvaDevice } from '../drivers/index.ts';
import type { Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'iommu-unbind',
  about: 'a device lets go of a process while another is bound to it and a page is dropped',
  guest: 'vcpu0: done: j done',
  losesPages: [1],
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    const [first, second] = [new SvaDevice(world.mm), new SvaDevice(world.mm)];
    yield* first.bind();
    yield* first.write(world.hva(1), 6);
    world.devices.push(first, second);
  },
  tasks: (world) => ({
    *first() {
      yield* (world.devices[0] as SvaDevice).unbind();
    },
    *second() {
      const device = world.devices[1] as SvaDevice;
      if ((yield* device.bind()) !== 0) return world.oracle.report('I9', 'the device cannot be bound');
      if ((yield* device.write(world.hva(1), 7)) !== 0) return world.oracle.report('I9', 'the device faults');
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
    },
  }),
  *finish(world) {
    yield* (world.devices[1] as SvaDevice).unbind();
  },
};
