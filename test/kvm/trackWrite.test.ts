// Stores to guest tables that must trap, and to pages that the VMM watches: what is emulated, what is zapped for it
// (misaligned, flooded), and that nobody sees the new entry and then the old translation.

import { describe, expect, it } from 'vitest';
import { kvmSetMemoryRegion, trackWrites } from '../../src/kvm/index.ts';
import { isWritableSpte } from '../../src/kvm/internals.ts';
import { isMisaligned } from '../../src/kvm/trackWrite.ts';
import type { Steps } from '../../src/sched/index.ts';
import type { Gpa } from '../../src/units.ts';
import { DirectedPolicy, letInEverywhere } from '../support/directed.ts';
import { GuestHart, type Instruction, PHYSICAL, value } from '../support/guestHart.ts';
import {
  entryAddress,
  entryFor,
  KERNEL_PAGE,
  leafEntry,
  linkTables,
  PTE_A,
  PTE_D,
  PTE_V,
} from '../support/guestTables.ts';
import {
  bootPaged,
  clearPages,
  dataAt,
  FIRST_DATA,
  MEGAPAGE,
  makeTables,
  pageAt,
  pageOut,
  shadowOf,
  sptesOf,
  TABLES,
  vaOf,
} from '../support/pagedGuest.ts';
import { RAM, TestVm, type TestVmOptions } from '../support/testVm.ts';

const MMUS = ['shadow', 'tdp'] as const;
/** A second leaf table, which maps vaOf(0) to data page 5. */
const OTHER_LEAF = pageAt(4);
/** The entry of the middle table that tests change. */
const MIDDLE_ENTRY = entryAddress(TABLES.middle, vaOf(0), 1);
const MIDDLE = 2;
const ROOT = 1;

function withGuest(body: (vm: TestVm, hart: GuestHart) => Steps, options: TestVmOptions = {}): void {
  const vm = new TestVm({ ramPages: 20, checkEvery: 20, ...options });
  vm.run({
    *'vcpu/0'() {
      yield* makeTables(vm, 4);
      yield* clearPages(vm, 4);
      yield* vm.write64(entryAddress(OTHER_LEAF, vaOf(0), 0), entryFor(dataAt(5), KERNEL_PAGE));
      const hart = yield* bootPaged(vm);
      yield* hart.load(vaOf(0));
      yield* body(vm, hart);
    },
  });
  vm.finish();
}

/** A store of `instruction` to guest physical `address`; it must retire. */
function* storeTo(hart: GuestHart, address: number, data: number, instruction: Instruction = 'sd'): Steps {
  expect(yield* hart.store(address, data, PHYSICAL, instruction)).toMatchObject({ kind: 'value' });
}

const linkTo = (leaf: number): number => Number(entryFor(leaf, PTE_V));

describe('a store to a table above the lowest level', () => {
  it('is emulated, and what hangs on the entry is unlinked at once', () => {
    withGuest(function* (vm, hart) {
      const { stats } = vm.kvm;
      const vcpu = vm.kvm.vcpus[0]!;
      const { pf_emulate, insn_emulation } = vcpu.stats;
      const { remote_tlb_flush } = stats;
      const leaf = shadowOf(vm, 3, 0)!;
      expect(leaf.parents.size).toBe(1);
      yield* storeTo(hart, MIDDLE_ENTRY, linkTo(OTHER_LEAF));
      expect(vcpu.stats).toMatchObject({ pf_emulate: pf_emulate + 1, insn_emulation: insn_emulation + 1 });
      expect(stats).toMatchObject({ mmu_pte_write: 1, mmu_flooded: 0, mmu_unsync: 0, mmu_shadow_zapped: 0 });
      expect(stats.remote_tlb_flush).toBeGreaterThan(remote_tlb_flush);
      // The page stays, for when it is linked again.
      expect(shadowOf(vm, 3, 0)).toBe(leaf);
      expect(leaf.parents.size).toBe(0);
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(5)));
      const { mmu_cache_miss } = stats;
      yield* storeTo(hart, MIDDLE_ENTRY, linkTo(TABLES.leaf));
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
      expect(stats.mmu_cache_miss).toBe(mmu_cache_miss);
      expect(leaf.parents.size).toBe(1);
    });
  });

  it('traps each time: the table is never writable', () => {
    withGuest(function* (vm, hart) {
      for (let i = 0; i < 4; i++) {
        yield* storeTo(hart, entryAddress(TABLES.middle, (10 + i) * MEGAPAGE, 1), 0);
        // A walk in between: it is a table still.
        yield* hart.fence();
        yield* storeTo(hart, MIDDLE_ENTRY, linkTo(TABLES.leaf));
        yield* hart.load(vaOf(0));
        yield* hart.load(MIDDLE_ENTRY, PHYSICAL);
        expect(sptesOf(vm, MIDDLE).map(isWritableSpte)).toEqual([false]);
      }
      expect(vm.kvm.vcpus[0]!.stats.pf_emulate).toBe(8);
      expect(vm.kvm.stats.mmu_flooded).toBe(0);
    });
  });

  it('leaves the other entries alone', () => {
    withGuest(function* (vm, hart) {
      const { pf_taken } = vm.kvm.vcpus[0]!.stats;
      yield* storeTo(hart, entryAddress(TABLES.middle, 10 * MEGAPAGE, 1), 0);
      expect(vm.kvm.vcpus[0]!.stats.pf_taken).toBe(pf_taken + 1);
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
      expect(vm.kvm.vcpus[0]!.stats.pf_taken).toBe(pf_taken + 1);
    });
  });

  it('reaches its page though that was swapped out', () => {
    withGuest(function* (vm, hart) {
      yield* pageOut(vm, MIDDLE);
      yield* storeTo(hart, MIDDLE_ENTRY, linkTo(OTHER_LEAF));
      expect(yield* vm.read64(MIDDLE_ENTRY)).toBe(BigInt(linkTo(OTHER_LEAF)));
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(5)));
      yield* pageOut(vm, MIDDLE);
      expect(yield* vm.read64(MIDDLE_ENTRY)).toBe(BigInt(linkTo(OTHER_LEAF)));
    });
  });

  it.each<[string, number, number, Instruction]>([
    ['a half', 0, 2, 'sh'],
    ['a byte that is not the first', 1, 1, 'sb'],
    ['a word across entries', 6, 4, 'sw'],
    ['a doubleword across entries', 4, 8, 'sd'],
  ])('of %s zaps the table: it is hardly one', (_, offset, bytes, instruction) => {
    withGuest(function* (vm, hart) {
      const before = shadowOf(vm, MIDDLE, 1);
      const unrelated = entryAddress(TABLES.middle, 10 * MEGAPAGE, 1);
      yield* storeTo(hart, unrelated + offset, -1, instruction);
      expect(vm.kvm.stats).toMatchObject({ mmu_pte_write: 1, mmu_flooded: 1 });
      expect(shadowOf(vm, MIDDLE, 1)).toBeUndefined();
      expect(before).toMatchObject({ invalid: true });
      const written = ((1n << BigInt(bytes * 8)) - 1n) << BigInt(offset * 8);
      expect(yield* vm.read64(unrelated)).toBe(BigInt.asUintN(64, written));
      expect(yield* vm.read64(unrelated + 8)).toBe(written >> 64n);
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
    });
  });

  it.each<[string, number, Instruction]>([
    ['the first byte', 0, 'sb'],
    ['the low word', 0, 'sw'],
    ['the high word', 4, 'sw'],
  ])('of %s zaps the entry alone', (_, offset, instruction) => {
    withGuest(function* (vm, hart) {
      const before = shadowOf(vm, MIDDLE, 1);
      const low = linkTo(OTHER_LEAF);
      const data = offset === 4 ? 0 : instruction === 'sb' ? linkTo(TABLES.leaf) & 0xff : low;
      yield* storeTo(hart, MIDDLE_ENTRY + offset, data, instruction);
      expect(vm.kvm.stats).toMatchObject({ mmu_pte_write: 1, mmu_flooded: 0 });
      expect(shadowOf(vm, MIDDLE, 1)).toBe(before);
      expect(shadowOf(vm, 3, 0)!.parents.size).toBe(0);
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(instruction === 'sw' && offset === 0 ? 5 : 0)));
    });
  });

  it('zaps the table with the third one without a walk through it', () => {
    withGuest(function* (vm, hart) {
      const unrelated = entryAddress(TABLES.middle, 10 * MEGAPAGE, 1);
      for (let stores = 1; stores <= 2; stores++) yield* storeTo(hart, unrelated, 0);
      yield* hart.load(vaOf(1));
      // That was a walk: the count begins anew.
      for (let stores = 1; stores <= 2; stores++) yield* storeTo(hart, unrelated, 0);
      expect(vm.kvm.stats).toMatchObject({ mmu_flooded: 0, mmu_pte_write: 4 });
      expect(shadowOf(vm, MIDDLE, 1)).toBeDefined();
      yield* storeTo(hart, unrelated, 0);
      expect(vm.kvm.stats).toMatchObject({ mmu_flooded: 1, mmu_pte_write: 5 });
      expect(shadowOf(vm, MIDDLE, 1)).toBeUndefined();
      // It is an ordinary page now.
      yield* storeTo(hart, unrelated, 0);
      expect(vm.kvm.stats.mmu_pte_write).toBe(5);
      expect(sptesOf(vm, MIDDLE).map(isWritableSpte)).toEqual([true]);
      expect(yield* hart.load(vaOf(2))).toEqual(value(dataAt(2)));
      expect(sptesOf(vm, MIDDLE).map(isWritableSpte)).toEqual([false]);
    });
  });

  it('floods a root that is in use, too: the hart gets a new one', () => {
    withGuest(function* (vm, hart) {
      const vcpu = vm.kvm.vcpus[0]!;
      const before = vcpu.root!;
      // Stores in M mode walk nothing.
      for (let stores = 0; stores < 3; stores++)
        yield* storeTo(hart, entryAddress(TABLES.root, 2 ** 32, 2), 0);
      expect(before).toMatchObject({ invalid: true, gfn: vm.gfn(ROOT) });
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
      expect(vcpu.root).not.toBe(before);
      expect(vcpu.root).toMatchObject({ invalid: false, gfn: vm.gfn(ROOT), rootCount: 1 });
      expect(before.rootCount).toBe(0);
    });
  });

  it('floods no root that is loaded in between', () => {
    withGuest(function* (vm, hart) {
      const { root } = vm.kvm.vcpus[0]!;
      for (let stores = 0; stores < 6; stores++) {
        yield* storeTo(hart, entryAddress(TABLES.root, 2 ** 32, 2), 0);
        if (stores % 2 === 0) continue;
        yield* hart.satp(null);
        yield* hart.satp(TABLES.root);
      }
      yield* hart.load(vaOf(0));
      expect(vm.kvm.stats.mmu_flooded).toBe(0);
      expect(vm.kvm.vcpus[0]!.root).toBe(root);
    });
  });

  it('that crosses from one table to the next zaps in both', () => {
    withGuest(function* (vm, hart) {
      // Page 1 is the root, page 2 the middle table; the last entry of the root and the first of the middle table.
      const GIGA = 2 ** 30;
      const last = -GIGA;
      yield* storeTo(hart, entryAddress(TABLES.root, last, 2), linkTo(TABLES.middle));
      expect(yield* hart.load(last + vaOf(0))).toEqual(value(dataAt(0)));
      const middle = shadowOf(vm, MIDDLE, 1)!;
      expect(middle.parents.size).toBe(2);
      yield* storeTo(hart, pageAt(2) - 4, 0);
      expect(yield* vm.read64(pageAt(2) - 8)).toBe(BigInt(linkTo(TABLES.middle) % 2 ** 32));
      expect(yield* vm.read64(pageAt(2))).toBe(BigInt(linkTo(TABLES.leaf)) & ~0xffff_ffffn);
      expect(middle.parents.size).toBe(1);
      expect(vm.kvm.stats).toMatchObject({ mmu_flooded: 0 });
      // The low half of the middle table's first entry is 0 now: no translation is left.
      expect(yield* hart.load(vaOf(0))).toMatchObject({ kind: 'trap', cause: 13 });
    });
  });

  it('is done by AMO and SC, too', () => {
    withGuest(function* (vm, hart) {
      const unrelated = entryAddress(TABLES.middle, 10 * MEGAPAGE, 1);
      yield* storeTo(hart, unrelated, 40);
      yield* hart.load(vaOf(1));
      expect(yield* hart.store(unrelated, 2, PHYSICAL, 'amoadd_d')).toEqual(value(40));
      expect(yield* vm.read64(unrelated)).toBe(42n);
      yield* hart.load(vaOf(2));
      expect(yield* hart.load(unrelated, PHYSICAL, 'lr_d')).toEqual(value(42));
      expect(yield* hart.store(unrelated, 7, PHYSICAL, 'sc_d')).toEqual(value(0));
      expect(yield* vm.read64(unrelated)).toBe(7n);
      expect(vm.kvm.stats.mmu_pte_write).toBe(3);
    });
  });

  it('is never seen by one who then finds the old translation, wherever another hart looks', () => {
    const policy = new DirectedPolicy();
    const vm = new TestVm({ harts: 2, ramPages: 20, policy, checkEvery: 10 });
    const harts = vm.kvm.vcpus.map((vcpu) => new GuestHart(vcpu));
    vm.run({
      *'vcpu/0'() {
        yield* makeTables(vm, 4);
        yield* clearPages(vm, 4);
        yield* vm.write64(entryAddress(OTHER_LEAF, vaOf(0), 0), entryFor(dataAt(5), KERNEL_PAGE));
        for (const hart of harts) {
          yield* hart.reset();
          yield* hart.satp(TABLES.root);
          yield* hart.load(vaOf(0));
        }
      },
    });
    const seen = new Set<number>();
    const rounds = letInEverywhere(vm, policy, () => {
      vm.run({
        *'vcpu/0'() {
          yield* storeTo(harts[0]!, MIDDLE_ENTRY, linkTo(TABLES.leaf));
          for (const hart of harts) {
            yield* hart.fence();
            expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
          }
        },
      });
      return {
        main: { name: 'vcpu/0', body: () => storeTo(harts[0]!, MIDDLE_ENTRY, linkTo(OTHER_LEAF)) },
        other: {
          name: 'vcpu/1',
          *body() {
            const entry = yield* harts[1]!.load(MIDDLE_ENTRY, PHYSICAL);
            yield* harts[1]!.fence();
            const isNew = entry.kind === 'value' && entry.value === linkTo(OTHER_LEAF);
            const page = yield* harts[1]!.load(vaOf(0));
            if (isNew) expect(page).toEqual(value(dataAt(5)));
            else expect([value(dataAt(0)), value(dataAt(5))]).toContainEqual(page);
            seen.add(Number(isNew));
          },
        },
        verify() {
          vm.run({
            *'vcpu/0'() {
              expect(yield* harts[0]!.load(vaOf(0))).toEqual(value(dataAt(5)));
            },
          });
        },
      };
    });
    expect(rounds).toBeGreaterThan(15);
    expect(seen.size).toBe(2);
    vm.finish();
  });
});

it('a store is misaligned as detect_write_misaligned() has it', () => {
  const misaligned: string[] = [];
  for (const bytes of [1, 2, 4, 8])
    for (let offset = 0; offset < 8; offset++)
      if (isMisaligned((RAM + 16 + offset) as Gpa, bytes)) misaligned.push(`${bytes}@${offset}`);
  const all = (bytes: number, offsets: readonly number[]): string[] => offsets.map((at) => `${bytes}@${at}`);
  expect(misaligned).toEqual([
    ...all(1, [1, 2, 3, 4, 5, 6, 7]),
    ...all(2, [0, 1, 2, 3, 4, 5, 6, 7]),
    ...all(4, [5, 6, 7]),
    ...all(8, [1, 2, 3, 4, 5, 6, 7]),
  ]);
});

describe.each(MMUS)('a page that the VMM watches (%s)', (mmu) => {
  /** A hart in M mode; page 9 is watched. */
  function watching(body: (vm: TestVm, hart: GuestHart) => Steps): void {
    const vm = new TestVm({ mmu, ramPages: 20, checkEvery: 20 });
    vm.run({
      *'vcpu/0'() {
        const hart = new GuestHart(vm.kvm.vcpus[0]!);
        yield* hart.reset();
        // Mapped for writing already.
        yield* storeTo(hart, pageAt(9) + 64, 1);
        yield* trackWrites(vm.kvm, vm.gfn(9));
        yield* body(vm, hart);
      },
    });
    vm.finish();
  }

  const reported = (vm: TestVm) => {
    const { exitReason, trackedWrite } = vm.kvm.vcpus[0]!.run;
    return exitReason === 'tracked_write' ? { ...trackedWrite } : exitReason;
  };

  it('has each store reported after it was done', () => {
    watching(function* (vm, hart) {
      for (const [i, [instruction, length]] of (
        [
          ['sd', 8],
          ['sw', 4],
          ['sh', 2],
          ['sb', 1],
        ] as const
      ).entries()) {
        const gpa = pageAt(9) + 128 + i * 8;
        yield* storeTo(hart, gpa, 5 + i, instruction);
        expect(reported(vm)).toEqual({ gpa, length });
        expect(Number(yield* vm.read64(gpa)) & 0xff).toBe(5 + i);
      }
      expect(sptesOf(vm, 9).some(isWritableSpte)).toBe(false);
    });
  });

  it('has AMO and SC reported, and no loads', () => {
    watching(function* (vm, hart) {
      const gpa = pageAt(9) + 64;
      expect(yield* hart.load(gpa, PHYSICAL)).toEqual(value(1));
      expect(reported(vm)).toBe('intr');
      expect(yield* hart.store(gpa, 2, PHYSICAL, 'amoadd_d')).toEqual(value(1));
      expect(reported(vm)).toEqual({ gpa, length: 8 });
      yield* hart.load(gpa, PHYSICAL, 'lr_d');
      expect(yield* hart.store(gpa, 9, PHYSICAL, 'sc_d')).toEqual(value(0));
      expect(reported(vm)).toEqual({ gpa, length: 8 });
      expect(yield* vm.read64(gpa)).toBe(9n);
    });
  });

  it('has the part of a store reported that lies in it', () => {
    watching(function* (vm, hart) {
      yield* storeTo(hart, pageAt(9) - 4, 0x2_0000_0001);
      expect(reported(vm)).toEqual({ gpa: pageAt(9), length: 4 });
      expect(Number(yield* vm.read64(pageAt(9))) % 2 ** 32).toBe(2);
      yield* storeTo(hart, pageAt(10) - 4, 0x4_0000_0003);
      expect(reported(vm)).toEqual({ gpa: pageAt(10) - 4, length: 4 });
      expect((yield* vm.read64(pageAt(10) - 8)) >> 32n).toBe(3n);
      expect(Number(yield* vm.read64(pageAt(10))) % 2 ** 32).toBe(4);
    });
  });

  it('keeps what was stored there before it was watched', () => {
    watching(function* (vm, hart) {
      // Clean and in swap: the spte alone knows of the store.
      yield* pageOut(vm, 10);
      yield* hart.load(pageAt(10), PHYSICAL);
      yield* storeTo(hart, pageAt(10), 5);
      yield* trackWrites(vm.kvm, vm.gfn(10));
      yield* pageOut(vm, 10);
      expect(yield* vm.read64(pageAt(10))).toBe(5n);
    });
  });

  it('leaves its neighbours alone', () => {
    watching(function* (vm, hart) {
      yield* storeTo(hart, pageAt(8), 1);
      yield* storeTo(hart, pageAt(10), 1);
      expect(reported(vm)).toBe('intr');
      expect(vm.kvm.vcpus[0]!.stats.pf_emulate).toBe(0);
    });
  });

  it('has stores found that reach it through tables, though it was swapped out', () => {
    watching(function* (vm, hart) {
      yield* makeTables(vm, 4);
      yield* hart.satp(TABLES.root);
      yield* pageOut(vm, FIRST_DATA + 1);
      expect(yield* hart.store(vaOf(1) + 64, 77)).toMatchObject({ kind: 'value' });
      expect(reported(vm)).toEqual({ gpa: dataAt(1) + 64, length: 8 });
      expect(yield* hart.load(vaOf(1) + 64)).toEqual(value(77));
    });
  });

  it('may hold a guest table: its A and D are set all the same', () => {
    watching(function* (vm, hart) {
      const leaf = pageAt(9);
      const tables = { ...TABLES, leaf };
      yield* clearPages(vm, 1, 2, 9);
      yield* linkTables((gpa, entry) => vm.write64(gpa, entry), tables, vaOf(0));
      const clean = entryFor(dataAt(3), KERNEL_PAGE & ~(PTE_A | PTE_D));
      yield* vm.write64(leafEntry(tables, vaOf(0)), clean);
      yield* hart.satp(tables.root);
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(3)));
      expect(yield* vm.read64(leafEntry(tables, vaOf(0)))).toBe(clean | BigInt(PTE_A));
      expect(yield* hart.store(vaOf(0), 3)).toMatchObject({ kind: 'value' });
      expect(yield* vm.read64(leafEntry(tables, vaOf(0)))).toBe(clean | BigInt(PTE_A | PTE_D));
      expect(sptesOf(vm, 9).some(isWritableSpte)).toBe(false);
    });
  });

  it('is watched until its memslot goes', () => {
    watching(function* (vm, hart) {
      expect(yield* kvmSetMemoryRegion(vm.kvm, { ...vm.ramRegion, memorySize: 0 })).toBe(0);
      expect(yield* kvmSetMemoryRegion(vm.kvm, vm.ramRegion)).toBe(0);
      yield* storeTo(hart, pageAt(9), 1);
      expect(reported(vm)).toBe('intr');
      expect(sptesOf(vm, 9).map(isWritableSpte)).toEqual([true]);
      yield* trackWrites(vm.kvm, vm.gfn(9));
      yield* storeTo(hart, pageAt(9), 2);
      expect(reported(vm)).toEqual({ gpa: pageAt(9), length: 8 });
    });
  });
});
