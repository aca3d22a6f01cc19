// The pages of 2 MiB are copied into one huge page (MADV_COLLAPSE) while the guest stores to one of them.
//
// The page tables of the old pages are gone before they are copied, and nobody will tell a client of them again: who is
// not told now goes on using pages that are freed.

import type { Scenario } from '../explore/index.ts';
import { MADV_COLLAPSE, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'collapse',
  about: 'pages are copied into a huge page while the guest stores to one of them',
  host: { frames: 1300, swapPages: 0 },
  vm: { ramPages: 512 },
  guest: `
    vcpu0:  sd a1, 0(a0)
            ld a2, 8(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *advisor() {
      yield* madvise(world.mm, world.hva(0), 512 * 4096, MADV_COLLAPSE);
    },
  }),
};
