// The file that is guest memory is truncated while the guest and another thread store to a page beyond its new end.
//
// A fault that has found the page before must look again at how long the file is once it has the page's lock, or it maps what is
// no part of the file.

import { checkShared, type Scenario } from '../explore/index.ts';
import { fileTruncate, MADV_DONTNEED, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'truncate',
  about: 'the file that is guest memory is truncated while its guest and a thread store beyond the new end',
  host: { cpus: 2 },
  vm: { ram: 'shmem' },
  mayEnd: ['memory_fault'],
  losesPages: [2, 3],
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(2), 5n);
    world.setRegisters(0, { a0: world.page(2), a1: 77 });
    yield* world.warmUp(0);
    // In the file, and not mapped.
    yield* world.write64(world.page(3), 5n);
    yield* madvise(world.mm, world.hva(3), 4096, MADV_DONTNEED);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.store(world.page(3), Uint8Array.of(9));
    },
    *cutter() {
      yield* fileTruncate(world.file, 2 * 4096);
    },
  }),
  *finish(world) {
    yield* fileTruncate(world.file, 4 * 4096);
    for (const page of [2, 3]) yield* checkShared(world, page);
  },
};
