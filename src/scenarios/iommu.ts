// A device that walks the process's page tables itself (SVA) writes to a page while the page is reclaimed.
//
// It refills its TLB whenever it likes from whatever stands in the table. So it must be flushed after the entry was
// cleared: before, it would look again at once and find what is about to go.

import { SvaDevice } from '../drivers/index.ts';
import type { Scenario } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'iommu',
  about: "a device that walks the process's own tables writes to a page that is reclaimed",
  guest: 'vcpu0: done: j done',
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
        world.contents.written(world.page(1), Uint8Array.of(value));
      }
    },
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
