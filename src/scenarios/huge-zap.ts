// The process drops a huge page (MADV_DONTNEED) that another thread of it, and a device that mirrors it, store to.
//
// One entry of 2 MiB goes, and with it 512 pages at once: they are free when everybody has been flushed of all of them.

import { HmmMirror } from '../drivers/index.ts';
import { hasReturned, type Scenario } from '../explore/index.ts';
import { MADV_COLLAPSE, MADV_DONTNEED, madvise } from '../mm/index.ts';

const PAGES = 512;

export const scenario: Scenario = {
  name: 'huge-zap',
  about: 'the process drops a huge page that another thread and a device store to',
  host: { frames: 1300, swapPages: 0, cpus: 3 },
  vm: { ramPages: PAGES },
  losesPages: Array.from({ length: PAGES }, (_, page) => page),
  guest: `
    vcpu0:
    done:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    yield* madvise(world.mm, world.hva(0), PAGES * 4096, MADV_COLLAPSE);
    yield* world.write64(world.page(1), 6n);
    const mirror = new HmmMirror(world.mm, 2);
    yield* mirror.open(world.hva(2), 4096);
    yield* mirror.write(world.hva(2), 7);
    world.devices.push(mirror);
  },
  tasks: (world) => ({
    // On the CPU of the setup, which has the page in its TLB.
    *advisor() {
      yield* madvise(world.mm, world.hva(0), PAGES * 4096, MADV_DONTNEED);
      hasReturned(world, 1);
    },
    *writer() {
      yield* world.write64(world.page(1) + 8, 9n);
    },
    *device() {
      yield* (world.devices[0] as HmmMirror).write(world.hva(2), 8);
    },
  }),
  *finish(world) {
    yield* (world.devices[0] as HmmMirror).close();
  },
};
