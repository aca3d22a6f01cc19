// A driver that caches where a page is, and forgets it when its notifier says so; but it does not ask whether it was told
// while it looked. race.ts finds what comes of that.

import * as umbra from 'umbra';

const device = { pfn: 0 };

export const scenario: umbra.Scenario = {
  name: 'naive-driver',
  about: 'a driver looks a page up while it is reclaimed',
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    const { mm, sched, oracle } = world;
    yield* world.write64(world.page(1), 7n);
    const ops: umbra.MmuNotifierOps = {
      *invalidateRangeStart() {
        device.pfn = 0;
        return 0;
      },
    };
    yield* umbra.mmuNotifierRegister(new umbra.MmuNotifier(sched.lockId(), ops), mm);
    const entry = () => ({ address: world.hva(1), pfn: device.pfn as umbra.Pfn, writable: true });
    oracle.watch({ mm, entries: () => (device.pfn === 0 ? [] : [entry()]) }, 'the driver');
  },
  tasks: (world) => ({
    *driver() {
      const pfn = yield* umbra.getUserPage(world.mm, world.hva(1), true);
      device.pfn = pfn;
      yield* umbra.putPage(world.host, pfn as umbra.Pfn);
    },
    *reclaim() {
      yield* umbra.madvise(world.mm, world.hva(1), 4096, umbra.MADV_PAGEOUT);
    },
  }),
};
