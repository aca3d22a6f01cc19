// The process drops its mapping of a dirty page of a file (MADV_DONTNEED) while the file is written back, and a thread
// stores to the page through the TLB entry that it still has.
//
// Once the entry is out of the page table, writeback cannot find it any more: whoever took it out must have flushed the
// CPUs before he let go of the page table lock.

import { hasReturned, type Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, madvise, vfsFsync } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'drop-writeback',
  about: 'a mapping of a dirty page is dropped while the page is written back and stored to',
  host: { cpus: 3 },
  vm: { ram: 'file' },
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(1), 9n);
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
      hasReturned(world, 1);
    },
    *syncer() {
      yield* vfsFsync(world.file.mapping);
    },
  }),
};
