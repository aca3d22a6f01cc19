// The process drops a page (MADV_DONTNEED) that its guest has in its TLB and is about to read by it.
//
// The shortest way from a request to a page that is free: whether the vCPU is in the guest, on its way in or on its way out, it
// has flushed or is waited for before the page goes.

import type { Scenario } from '../explore/index.ts';
import { MADV_DONTNEED, madvise } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'drop-warm',
  about: 'the process drops a page that its guest has in its TLB',
  vm: { vcpus: 2 },
  losesPages: [1],
  guest: `
    vcpu0:  ld a2, 0(a0)
            j done
    vcpu1:  ld a2, 0(a0)
    done:   j done
    warm:   ld a2, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 0n);
    for (const vcpu of [0, 1]) {
      world.setRegisters(vcpu, { a0: world.page(1) });
      yield* world.warmUp(vcpu);
    }
  },
  tasks: (world) => ({
    *advisor() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
    },
  }),
};
