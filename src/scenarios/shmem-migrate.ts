// A page of shared memory is migrated while the guest and another thread store to it.
//
// In the page cache the new frame takes the place of the old one: who looks it up finds the one or the other, and no store
// may go to the old frame once its content has been copied.

import type { Scenario } from '../explore/index.ts';
import { migrateUserPages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'shmem-migrate',
  about: 'a page of shared memory is migrated while the guest and a thread store to it',
  host: { cpus: 2 },
  vm: { ram: 'shmem' },
  guest: `
    vcpu0:  sd a1, 0(a0)
            ld a2, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(1) + 16, 9n);
    },
    *migrate() {
      yield* migrateUserPages(world.mm, world.hva(1), 4096);
    },
  }),
};
