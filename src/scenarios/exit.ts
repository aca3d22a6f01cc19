// The process exits while a vCPU of its VM is about to fault a page in.
//
// ->release must zap everything and turn later faults away; the vCPU gets -EIO, or has finished before.

import type { Scenario } from '../explore/index.ts';
import { exitMm } from '../mm/index.ts';

export const scenario: Scenario = {
  name: 'exit',
  about: 'the process exits while its vCPU faults',
  mayEnd: ['memory_fault'],
  processGoes: true,
  guest: `
    vcpu0:  sd a1, 0(a0)
            ld a2, 0(a0)
    done:   j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
  },
  tasks: (world) => ({
    *exit() {
      yield* exitMm(world.mm);
    },
  }),
};
