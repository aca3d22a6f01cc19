// Somebody takes a snapshot of a page by a userfaultfd: he write-protects it, reads it twice, and lets the stores go on,
// while the guest and a thread of the process store to it.
//
// From the return of the call until he says so nobody stores to the page; and nobody who waited is forgotten.

import { hasReturned, readTwice, type Scenario } from '../explore/index.ts';
import {
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_WP,
  uffdioRegister,
  uffdioWriteprotect,
  userfaultfd,
} from '../mm/index.ts';
import { at, points } from '../sched/index.ts';

export const scenario: Scenario = {
  name: 'uffd-wp',
  about: 'a page is write-protected by a userfaultfd while its guest and another thread store to it',
  host: { cpus: 2 },
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   sd a1, 16(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
    const handler = userfaultfd(world.mm);
    yield* uffdioRegister(handler, world.hva(1), 4096, UFFDIO_REGISTER_MODE_WP);
    // Registering write-protects nothing: both may store.
    yield* world.write64(world.page(1), 6n);
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(1) + 8, 9n);
    },
    *handler() {
      if (points.on) yield at.list(world.mm.vmas.id);
      const handler = world.mm.vmas.find(world.hva(1))!.userfaultfd!;
      yield* uffdioWriteprotect(handler, world.hva(1), 4096, UFFDIO_WRITEPROTECT_MODE_WP);
      hasReturned(world, 1);
      yield* readTwice(world, 1, 'a page was stored to that its handler has write-protected');
      yield* uffdioWriteprotect(handler, world.hva(1), 4096, 0);
    },
  }),
};
