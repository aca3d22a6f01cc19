// The process write-protects a page that is being migrated, while its guest stores to it.
//
// The entry that stands for a page on its way remembers whether it was writable. What mprotect() takes away there must not come
// back when the page has arrived.

import { readTwice, type Scenario } from '../explore/index.ts';
import { migrateUserPages, mprotect, PROT_READ } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'mprotect-migrate',
  about: 'a page is write-protected and migrated at once while its guest and another thread store to it',
  host: { cpus: 3 },
  mayEnd: ['memory_fault'],
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   sd a1, 16(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.store(world.page(1) + 8, Uint8Array.of(9));
    },
    *protector() {
      yield* mprotect(world.mm, world.hva(1), 4096, PROT_READ);
      yield* readTwice(world, 1, 'a page was stored to after mprotect() had returned');
    },
    *migrate() {
      yield* migrateUserPages(world.mm, world.hva(1), 4096);
    },
  }),
  *finish(world) {
    const error = yield* world.store(world.page(1) + 24, Uint8Array.of(1));
    if (error === 0) world.oracle.report('I5', 'a page that is read-only can be stored to');
  },
};
