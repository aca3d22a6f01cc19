// The process exits while reclaim takes one of its pages, which a vCPU has mapped.

import type { Scenario } from '../explore/index.ts';
import { exitMm, MADV_COLD, madvise, tryToFreePages } from '../mm/index.ts';
import { mmuNotifierClearYoung } from '../notifier/index.ts';

export const scenario: Scenario = {
  name: 'exit-reclaim',
  about: 'the process exits while reclaim takes a page that its guest has mapped',
  mayEnd: ['memory_fault'],
  processGoes: true,
  guest: `
    vcpu0:
    done:   j done
    warm:   sd a1, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
    // Not used lately, by nobody: reclaim takes it at the first look.
    yield* madvise(world.mm, world.hva(1), 4096, MADV_COLD);
    yield* mmuNotifierClearYoung(world.mm, world.hva(1), world.hva(2));
  },
  tasks: (world) => ({
    *exit() {
      yield* exitMm(world.mm);
    },
    *reclaim() {
      yield* tryToFreePages(world.host, 0);
    },
  }),
};
