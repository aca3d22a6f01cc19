// One page of a huge page is dropped (MADV_DONTNEED) while the guest, which has all of it by one spte, stores to the page
// behind.
//
// The mapping of 2 MiB is taken apart first, of which every client must hear for all of it; then the guest has it page by
// page. The process has another huge page, so that it takes a look at the page table to know.

import type { Scenario } from '../explore/index.ts';
import {
  copyToUser,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  madvise,
  mmap,
  PROT_READ,
  PROT_WRITE,
} from '../mm/index.ts';
import type { Hva } from '../units.ts';

const HUGE = 512 * 4096;
/** Where the other one is. */
const THERE = 0x1000_0000 as Hva;

export const scenario: Scenario = {
  name: 'huge-drop',
  about: 'one page of a huge page is dropped while the guest stores to another',
  host: { frames: 1600, swapPages: 0 },
  vm: { ramPages: 512, mmu: 'tdp' },
  losesPages: [1],
  guest: `
    vcpu0:  sd a1, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 0n);
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    yield* mmap(world.mm, THERE, HUGE, PROT_READ | PROT_WRITE, flags, null, 0);
    yield* copyToUser(world.mm, world.spareCpu, THERE, Uint8Array.of(1));
    for (const start of [world.hva(0), THERE]) yield* madvise(world.mm, start, HUGE, MADV_COLLAPSE);
    world.setRegisters(0, { a0: world.page(2), a1: 77 });
    yield* world.warmUp(0);
  },
  tasks: (world) => ({
    *advisor() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_DONTNEED);
    },
  }),
};
