// Two vCPUs under two-dimensional paging read a page that the process gives up (MADV_DONTNEED).
//
// Two TLBs to flush, one of which may be filled again while the other is flushed; a page of zeros comes back.

import type { Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'dontneed',
  about: 'the process drops a page (MADV_DONTNEED) that two vCPUs read',
  vm: { vcpus: 2, mmu: 'tdp' },
  guest: `
    vcpu0:  ld a2, 0(a0)
            j done
    vcpu1:  ld a2, 0(a0)
    done:   j done
    warm:   ld a2, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(2), 0n);
    world.setRegisters(0, { a0: world.page(2) });
    world.setRegisters(1, { a0: world.page(2) });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *advisor() {
      yield* madvise(world.mm, world.hva(2), 4096, MADV_DONTNEED);
    },
  }),
};
