// The guest reads a page of zeros and then stores to it, while the process is asked to drop it.
//
// The zero page is everybody's: no translation of it may permit writing, and the store breaks it away (a copy, with
// its own notifier range) in a race with the drop.

import type { Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'zeropage',
  about: 'the zero page is read, written and dropped at once',
  losesPages: [2],
  guest: `
    vcpu0:  ld a2, 0(a0)
            sd a1, 0(a0)
    done:   j done`,
  *setUp(world) {
    world.setRegisters(0, { a0: world.page(2), a1: 77 });
  },
  tasks: (world) => ({
    *advisor() {
      yield* madvise(world.mm, world.hva(2), 4096, MADV_DONTNEED);
    },
  }),
};
