// A mapping of a page of a file is dropped (MADV_DONTNEED) while a thread and the guest make it writable by their stores.
//
// The file is asked first, without the page table lock: when it has answered, the entry that was to become writable may be gone.

import type { Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, madvise, vfsFsync } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'drop-store',
  about: 'a mapping of a clean page of a file is dropped while its guest and a thread store to it',
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
    yield* vfsFsync(world.file.mapping);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(1) + 16, 9n);
    },
    *advisor() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
    },
  }),
};
