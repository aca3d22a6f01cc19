// The process drops its mapping of a dirty page of a file (MADV_DONTNEED) while the page is begun to be written, and then stored
// to by a CPU that has it in its TLB.
//
// Such a page counts as mapped until the CPUs are flushed: whoever finds that nothing maps it takes it for one that cannot
// become dirty by itself, and does not wait for the page table lock.

import { beginWriteback, checkSynced, type Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, madvise, vfsFsync } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'drop-flusher',
  about: 'a mapping of a dirty page is dropped while the page is begun to be written, and stored to',
  host: { cpus: 2 },
  vm: { ram: 'file' },
  guest: 'vcpu0: done: j done',
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
  },
  tasks: (world) => ({
    // On the CPU of the setup, which has the page in its TLB.
    *flusher() {
      yield* beginWriteback(world);
      yield* world.write64(world.page(1), 9n);
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
    },
  }),
  *finish(world) {
    yield* vfsFsync(world.file.mapping);
    checkSynced(world, 1);
  },
};
