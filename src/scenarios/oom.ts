// The OOM killer picks the process of a VM, and its reaper takes the memory away while a vCPU still runs.

import type { Scenario } from '../explore/index.ts';

export const scenario: Scenario = {
  name: 'oom',
  about: 'the OOM reaper takes the memory of a process whose guest is running',
  mayEnd: ['memory_fault'],
  losesPages: [0, 1, 2, 3],
  guest: `
    vcpu0:  sd a1, 0(a0)
            ld a2, 8(a0)
    done:   j done
    warm:   sd a1, 0(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *killer() {
      world.host.oomKiller.outOfMemory(world.host);
    },
  }),
};
