// A device that walks the process's page tables itself (SVA) writes to a page that the process drops (MADV_DONTNEED).
//
// Wherever CPUs are flushed its TLB must be as well, before the page is freed.

import { SvaDevice } from '../drivers/index.ts';
import type { Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'iommu-drop',
  about: "a device that walks the process's own tables writes to a page that is dropped",
  guest: 'vcpu0: done: j done',
  losesPages: [1],
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    const device = new SvaDevice(world.mm);
    yield* device.bind();
    world.devices.push(device);
  },
  tasks: (world) => ({
    *device() {
      const [device] = world.devices as [SvaDevice];
      for (const value of [7, 8]) {
        if ((yield* device.write(world.hva(1), value)) !== 0)
          return world.oracle.report('I9', 'the device faults');
      }
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
    },
  }),
};
