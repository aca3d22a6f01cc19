// The file that is guest memory is written back while the guest stores to a page of it and a thread of the process to
// another word.
//
// Writeback makes the page read-only everywhere, so that the next store is heard of and makes it dirty again. A store
// through a translation that it forgot would be on no disk.

import { checkSynced, type Scenario } from '../explore/index.ts';
import { vfsFsync } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'writeback',
  about: 'a file is written back while its guest and another thread store to it',
  host: { cpus: 2 },
  vm: { ram: 'file' },
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *syncer() {
      yield* vfsFsync(world.file.mapping);
    },
    *writer() {
      yield* world.write64(world.page(1) + 16, 9n);
    },
  }),
  *finish(world) {
    yield* vfsFsync(world.file.mapping);
    checkSynced(world, 1);
  },
};
