// A guest with page tables of its own, for scenarios: Sv39, in supervisor mode, RAM where it is (one gigapage) and one
// page at VIRTUAL, which page 1 of RAM stands behind at first.
//
// RAM has six pages: code, two of data, and the three tables. The entry that scenarios change is in page 5.

import type { Steps } from '../sched/index.ts';
import { PAGE_SIZE } from '../units.ts';
import type { GuestPaging } from './guestPaging.ts';
import { RAM, type World } from './world.ts';

const VIRTUAL = 0x4000_0000;
const ROOT = 3;
const MIDDLE = 4;
const LEAF = 5;

const addressOf = (page: number): number => RAM + page * PAGE_SIZE;

/** An entry that points to page `page` of RAM; A and D are set in leaves. */
const entryFor = (page: number, flags: number): number => (addressOf(page) / PAGE_SIZE) * 1024 + flags;
const TABLE = 0x01;
const LEAF_RW = 0xc7;
const LEAF_RWX = 0xcf;

export const GUEST_PAGING: GuestPaging = { root: addressOf(ROOT), pages: [VIRTUAL] };

/** The code at `warm`: sets satp to what a5 says, enters supervisor mode, and goes on behind. */
export const SUPERVISOR = `
    warm:   li t0, -1
            csrw pmpaddr0, t0
            li t0, 0x1f
            csrw pmpcfg0, t0
            li t0, 8
            slli t0, t0, 60
            srli t1, a5, 12
            or t0, t0, t1
            csrw satp, t0
            sfence.vma
            li t0, 0x1800
            csrc mstatus, t0
            li t0, 0x800
            csrs mstatus, t0
            la t0, within
            csrw mepc, t0
            mret
    within:`;

/** Part of a setup: the tables, two pages of data, and of each vCPU a0 VIRTUAL, a4 and a3 its entry and another for it. */
export function* writeTables(world: World): Steps {
  yield* world.write64(world.page(ROOT) + 8, BigInt(entryFor(MIDDLE, TABLE)));
  yield* world.write64(world.page(ROOT) + 16, BigInt(entryFor(0, LEAF_RWX)));
  yield* world.write64(world.page(MIDDLE), BigInt(entryFor(LEAF, TABLE)));
  yield* world.write64(world.page(LEAF), BigInt(entryFor(1, LEAF_RW)));
  yield* world.write64(world.page(1), 5n);
  yield* world.write64(world.page(2), 6n);
  for (const { index } of world.kvm.vcpus) {
    const [a4, a3, a5] = [world.page(LEAF), entryFor(2, LEAF_RW), world.page(ROOT)];
    world.setRegisters(index, { a0: VIRTUAL, a1: 77, a3, a4, a5 });
  }
}
