// --mmu tdp: the hart walks the guest's tables through the second stage, kvm owns the second stage and sees nothing else.

import { describe, expect, it } from 'vitest';
import { MADV_DONTNEED, MADV_PAGEOUT, madvise } from '../../src/mm/index.ts';
import type { Steps } from '../../src/sched/index.ts';
import { PAGE_SIZE } from '../../src/units.ts';
import { DirectedPolicy, letInEverywhere } from '../support/directed.ts';
import { type GuestHart, PHYSICAL, trap, value } from '../support/guestHart.ts';
import { entryAddress, entryFor, KERNEL_PAGE, PTE_V } from '../support/guestTables.ts';
import {
  bootPaged,
  clearPages,
  dataAt,
  indirectPages,
  MEGAPAGE,
  makeTables,
  pageAt,
  pageOut,
  setLeaf,
  sptesOf,
  TABLES,
  vaOf,
} from '../support/pagedGuest.ts';
import { TestVm } from '../support/testVm.ts';

const LOAD_PAGE_FAULT = 13;
/** The root, the middle and the leaf table. */
const TABLE_PAGES = [1, 2, 3];

function withGuest(body: (vm: TestVm, hart: GuestHart) => Steps): void {
  const vm = new TestVm({ mmu: 'tdp', ramPages: 16, checkEvery: 20 });
  vm.run({
    *'vcpu/0'() {
      yield* makeTables(vm, 4);
      const hart = yield* bootPaged(vm);
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
      yield* body(vm, hart);
    },
  });
  vm.finish();
}

describe('the second stage', () => {
  it('has no exits for what a guest does to its tables, its fences and its satp', () => {
    withGuest(function* (vm, hart) {
      // Every page that takes part is mapped, and mapped for writing.
      for (const page of [...TABLE_PAGES, 4]) yield* hart.store(pageAt(page) + 4088, 0, PHYSICAL);
      yield* clearPages(vm, 4);
      for (const i of [0, 1, 2]) yield* hart.load(vaOf(i));
      const { exits, stats } = hart.vcpu;
      const { mmuFault } = exits;
      yield* setLeaf(hart, 0, entryFor(dataAt(2), KERNEL_PAGE));
      yield* hart.fence(vaOf(0));
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(2)));
      yield* hart.store64(entryAddress(pageAt(4), vaOf(0), 0), entryFor(dataAt(1), KERNEL_PAGE));
      yield* hart.store64(entryAddress(TABLES.middle, vaOf(0), 1), entryFor(pageAt(4), PTE_V));
      yield* hart.fence(null, 3);
      yield* hart.fence();
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(1)));
      yield* hart.satp(null);
      yield* hart.satp(TABLES.root, 3);
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(1)));
      expect(Object.keys(exits).sort()).toEqual(['budget', 'mmuFault']);
      expect(exits.mmuFault).toBe(mmuFault);
      expect(stats).toMatchObject({ pf_emulate: 0, invlpg: 0 });
      expect(vm.kvm.stats).toMatchObject({ mmu_pte_write: 0, mmu_unsync: 0 });
      expect(indirectPages(vm.kvm)).toEqual([]);
      // A wide root and one table of each level below it.
      expect(vm.kvm.usedMmuPages).toBe(6);
    });
  });

  it('faults the guest’s tables in when the walk needs them', () => {
    withGuest(function* (vm, hart) {
      for (const page of TABLE_PAGES) yield* pageOut(vm, page);
      for (const page of TABLE_PAGES) expect(sptesOf(vm, page)).toEqual([]);
      const { pf_fixed } = hart.vcpu.stats;
      expect(yield* hart.load(vaOf(1))).toEqual(value(dataAt(1)));
      // One fault for each table, one for the page.
      expect(hart.vcpu.stats.pf_fixed).toBe(pf_fixed + 4);
      for (const page of TABLE_PAGES) expect(sptesOf(vm, page)).toHaveLength(1);
    });
  });

  it('shows a guest whose tables the host dropped that they are empty', () => {
    withGuest(function* (vm, hart) {
      expect(yield* madvise(vm.mm, vm.hvaOf(TABLES.leaf), PAGE_SIZE, MADV_DONTNEED)).toBe(0);
      expect(yield* hart.load(vaOf(1))).toEqual(trap(LOAD_PAGE_FAULT, vaOf(1)));
    });
  });

  it('lets a walk through, wherever the host swaps its tables out under it', () => {
    const policy = new DirectedPolicy();
    const vm = new TestVm({ mmu: 'tdp', ramPages: 16, policy, checkEvery: 10 });
    let hart: GuestHart;
    vm.run({
      *'vcpu/0'() {
        yield* makeTables(vm, 4);
        hart = yield* bootPaged(vm);
      },
    });
    const rounds = letInEverywhere(vm, policy, () => {
      vm.run({
        *host() {
          for (const page of TABLE_PAGES) yield* pageOut(vm, page);
        },
      });
      return {
        main: {
          name: 'vcpu/0',
          *body() {
            expect(yield* hart.load(vaOf(1))).toEqual(value(dataAt(1)));
          },
        },
        other: {
          name: 'host',
          *body() {
            yield* madvise(vm.mm, vm.hvaOf(TABLES.root), TABLE_PAGES.length * PAGE_SIZE, MADV_PAGEOUT);
          },
        },
      };
    });
    expect(rounds).toBeGreaterThan(40);
    vm.finish();
  });

  it('maps the same guest page once, however many addresses lead there', () => {
    withGuest(function* (vm, hart) {
      const far = MEGAPAGE + vaOf(0);
      yield* hart.store64(entryAddress(TABLES.middle, far, 1), entryFor(TABLES.leaf, PTE_V));
      expect(yield* hart.load(far)).toEqual(value(dataAt(0)));
      expect(yield* hart.load(dataAt(0), PHYSICAL)).toEqual(value(dataAt(0)));
      expect(sptesOf(vm, 8)).toHaveLength(1);
    });
  });
});
