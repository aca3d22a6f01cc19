// Two processes map the same shared memory, one of them as its guest's RAM; a page of it is reclaimed while both store to it
// and the guest reads it.
//
// Reclaim must find both mappings, and flush the CPUs of both, before it writes the page to swap.

import { type Scenario, storeThrough } from '../explore/index.ts';
import {
  exitMm,
  MADV_PAGEOUT,
  MAP_FIXED,
  MAP_SHARED,
  type Mm,
  madvise,
  mmap,
  PROT_READ,
  PROT_WRITE,
} from '../mm/index.ts';
import type { Hva } from '../units.ts';

/** Where the other process has the first page of RAM. */
const THERE = 0x1000_0000 as Hva;

export const scenario: Scenario = {
  name: 'two-processes',
  about: 'a page that two processes share is reclaimed while both store to it and the guest of one reads it',
  host: { cpus: 2 },
  vm: { ram: 'shmem' },
  guest: `
    vcpu0:  ld a2, 0(a0)
    done:   j done
    warm:   sd a1, 8(a0)
            j done`,
  *setUp(world) {
    yield* world.write64(world.page(1), 5n);
    world.setRegisters(0, { a0: world.page(1), a1: 77 });
    yield* world.warmUp(0);
    const other = (yield* world.host.createMm()) as Mm;
    yield* mmap(other, THERE, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, world.file, 0);
    world.others.push(other);
    yield* storeThrough(world, other, (THERE + 4096) as Hva, world.page(1), 6n);
  },
  tasks: (world) => ({
    *writer() {
      yield* world.write64(world.page(1) + 16, 7n);
    },
    // On a CPU that nobody of the guest's process has been on.
    *neighbour() {
      for (const value of [8n, 9n])
        yield* storeThrough(world, world.others[0]!, (THERE + 4096) as Hva, world.page(1), value);
    },
    *reclaim() {
      yield* madvise(world.mm, world.hva(1), 4096, MADV_PAGEOUT);
    },
  }),
  *finish(world) {
    yield* exitMm(world.others[0]!);
  },
};
