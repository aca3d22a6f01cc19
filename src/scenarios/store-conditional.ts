// Two vCPUs count in one word, each by a load-reserved and a store-conditional.
//
// A hart knows what it has reserved, and not what the other stores: whoever gets his turn after the other must fail to
// store, and begin anew.

import type { Scenario } from '../explore/index.ts';

export const scenario: Scenario = {
  name: 'store-conditional',
  about: 'two vCPUs count in one word by lr and sc',
  vm: { vcpus: 2 },
  guest: `
    vcpu0:  lr.d a1, (a0)
            addi a1, a1, 1
            sc.d a2, a1, (a0)
            bnez a2, vcpu0
            j done
    vcpu1:  lr.d a1, (a0)
            addi a1, a1, 1
            sc.d a2, a1, (a0)
            bnez a2, vcpu1
    done:   j done
    warm:   ld a1, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    for (const vcpu of [0, 1]) {
      world.setRegisters(vcpu, { a0: world.page(1) });
      yield* world.warmUp(vcpu);
    }
  },
  tasks: () => ({}),
  *finish(world) {
    const count = yield* world.read64(world.page(1));
    if (count !== 7n) world.oracle.report('I3', `two vCPUs have counted from 5 to ${count}`);
  },
};
