// The process takes away the permission to write to a page and gives it back, while its guest stores to the page.
//
// Between the two calls nobody can store: a store that was under way has gone through before mprotect() returned.

import { hasReturned, readTwice, type Scenario } from '../explore/index.ts';
import { mprotect, PROT_READ, PROT_WRITE } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'mprotect',
  about: 'the process write-protects a page that its guest and another thread store to',
  host: { cpus: 2 },
  mayEnd: ['memory_fault'],
  guest: `
    vcpu0:  sd a1, 0(a0)
            sd a1, 8(a0)
    done:   j done
    warm:   sd a1, 16(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *protector() {
      yield* mprotect(world.mm, world.hva(1), 4096, PROT_READ);
      hasReturned(world, 1);
      yield* readTwice(world, 1, 'a page was stored to after mprotect() returned');
      yield* mprotect(world.mm, world.hva(1), 4096, PROT_READ | PROT_WRITE);
    },
  }),
};
