// A mapping of a page of shared memory is dropped (MADV_DONTNEED), and the page reclaimed, while a thread stores to it.
//
// Where a reader has mapped the page only the entry knows of a store. It is told to the page when the entry goes: reclaim
// drops a clean page of shared memory, which is zeros when it is next wanted.

import type { Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, madvise, tryToFreePages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'shmem-drop',
  about:
    'a mapping of a page of shared memory is dropped, and the page reclaimed, while a thread stores to it',
  host: { cpus: 2 },
  vm: { ram: 'shmem' },
  guest: `
    vcpu0:
    done:   j done`,
  *setUp(world) {
    // By a reader, writable and clean.
    yield* world.read64(world.page(1));
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(1) + 8, 9n);
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
      for (let pass = 0; pass < 2; pass++) yield* tryToFreePages(world.host, 0);
    },
  }),
};
