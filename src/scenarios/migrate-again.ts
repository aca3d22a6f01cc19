// A page that came back from swap for a reader, and so is clean and still has its slot, is stored to by the guest and a
// thread of the process while it moves to another frame.
//
// That it is dirty moves with it: what a table entry said, an spte, or the folio. Reclaim drops a clean page of the swap
// cache without writing it.

import type { Scenario } from '../explore/index.ts';
import { MADV_PAGEOUT, madvise, migrateUserPages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'migrate-again',
  about: 'a page that came back from swap is stored to while it is migrated',
  host: { cpus: 2 },
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   ld a2, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(1) + 8, 9n);
    },
    *migrate() {
      yield* migrateUserPages(world.mm, world.hva(1), 4096);
    },
  }),
};
