// Two threads of a process that may have two pages in memory (memory.max) store to pages of their own, while its guest reads
// another one.
//
// Each has to reclaim before he is charged; what he has made room for may be another's by then. What is in memory and what is
// on the swap device is charged for, page for page and slot for slot, and never more than there may be.

import type { Scenario } from '../explore/index.ts';
import type { MemCgroup } from '../mm/index.ts';

const MAX = 2;

export const scenario: Scenario = {
  name: 'memcg',
  about: 'two threads store to pages while their process may have two, and its guest reads a third',
  host: { cpus: 2 },
  guest: `
    vcpu0:  ld a2, 0(a0)
    done:   j done
    warm:   ld a2, 0(a0)
            j done`,
  *setUp(world) {
    const memcg = world.host.memcgs.create('vmm') as MemCgroup;
    memcg.memory.max = MAX;
    // Scarce, so that a slot is given back with its page.
    memcg.swap.max = MAX;
    world.mm.memcg = memcg;
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1) });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *first() {
      yield* world.write64(world.page(2), 7n);
    },
    *second() {
      yield* world.write64(world.page(3), 9n);
    },
  }),
  *finish(world) {
    for (const page of [1, 2, 3]) yield* world.read64(world.page(page));
    const { peak } = world.mm.memcg!.memory;
    if (peak > MAX) world.oracle.report('leak', `the process had ${peak} pages, and may have ${MAX}`);
  },
};
