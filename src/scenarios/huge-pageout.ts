// A huge page is split, and one of its pages reclaimed (MADV_PAGEOUT), while the guest stores to that page and a thread of the
// process to another.
//
// Migration entries stand for all 512 pages while the folio is taken apart: whoever has a translation of 2 MiB, or of one
// page, must be told and flushed before, and whoever has a reference keeps it whole.

import type { Scenario } from '../explore/index.ts';
import { MADV_COLLAPSE, MADV_PAGEOUT, madvise } from '../mm/index.ts';

const PAGES = 512;

export const scenario: Scenario = {
  name: 'huge-pageout',
  about: 'a huge page is split and one of its pages reclaimed while the guest and a thread store to it',
  host: { frames: 1300, cpus: 2 },
  vm: { ramPages: PAGES, mmu: 'tdp' },
  guest: `
    vcpu0:  sd a1, 0(a0)
            ld a2, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    yield* madvise(world.mm, world.hva(0), PAGES * 4096, MADV_COLLAPSE);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
    yield* world.write64(world.page(2), 6n);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(2) + 8, 9n);
    },
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
};
