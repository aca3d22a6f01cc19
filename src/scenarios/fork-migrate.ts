// The process forks while one of its pages is migrated, and stores to it afterwards.
//
// Parent and child both get an entry for the page that is on its way. Neither may be forgotten when it has arrived, and
// neither may be writable.

import { loadFrom, type Scenario } from '../explore/index.ts';
import { exitMm, fork, migrateUserPages } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'fork-migrate',
  about: 'the process forks while one of its pages is migrated, and its guest stores to the page',
  host: { cpus: 2 },
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
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
    *forker() {
      const child = yield* fork(world.mm);
      if (typeof child === 'number') return world.oracle.report('I9', `fork failed: ${child}`);
      yield* world.write64(world.page(1) + 16, 9n);
      const later = yield* loadFrom(world, child, world.hvaOf(world.page(1) + 16));
      if (later !== 0n) world.oracle.report('I5', 'the child sees what its parent stored after fork()');
      yield* exitMm(child);
    },
  }),
};
