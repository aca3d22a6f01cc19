// A page that the guest has mapped already, and dirtied, moves to another frame while the guest goes on storing to it.
//
// A fault that finds the migration entry waits for the page; one that looked the page up before must not install the
// frame that it has left; and what is stored through any translation must have been stored before the content was copied.

import type { Scenario } from '../explore/index.ts';
import { migrateUserPages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'migrate',
  about: 'a page that the guest has mapped and dirtied is migrated while the guest stores to it again',
  guest: `
    vcpu0:  sd a1, 16(a0)
            ld a2, 16(a0)
            sd a2, 8(a0)
    done:   j done
    warm:   sd a1, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *migrate() {
      yield* migrateUserPages(world.mm, world.hva(1), 4096);
    },
  }),
};
