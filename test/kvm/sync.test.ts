// Out-of-sync leaf tables: the guest writes them without traps, and each kind of fence makes the shadow follow as far
// as it demands and no further (the table in reference kvm.md 2.4).

import { describe, expect, it } from 'vitest';
import { isWritableSpte } from '../../src/kvm/internals.ts';
import type { Steps } from '../../src/sched/index.ts';
import { GuestHart, PHYSICAL, trap, USER, value } from '../support/guestHart.ts';
import {
  entryAddress,
  entryFor,
  KERNEL_PAGE,
  leafEntry,
  PTE_A,
  PTE_D,
  PTE_U,
  PTE_V,
  PTE_W,
  PTE_X,
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
  setLeaf,
  shadowOf,
  sptesOf,
  TABLES,
  vaOf,
} from '../support/pagedGuest.ts';
import { TestVm, type TestVmOptions } from '../support/testVm.ts';

const LOAD_PAGE_FAULT = 13;
const STORE_PAGE_FAULT = 15;
const CLEAN_PAGE = KERNEL_PAGE & ~PTE_D;
const READ_ONLY = KERNEL_PAGE & ~PTE_W;
/** The leaf table is page 3. */
const LEAF = 3;

/** Runs `body` with a hart that has loaded from vaOf(0) and vaOf(1). */
function withGuest(
  body: (vm: TestVm, hart: GuestHart) => Steps,
  { flags = KERNEL_PAGE, ...options }: TestVmOptions & { readonly flags?: number } = {},
): void {
  const vm = new TestVm({ ramPages: 20, checkEvery: 20, ...options });
  vm.run({
    *'vcpu/0'() {
      yield* makeTables(vm, 4, flags);
      const hart = yield* bootPaged(vm);
      for (const i of [0, 1]) yield* hart.load(vaOf(i));
      yield* body(vm, hart);
    },
  });
  vm.finish();
}

/** Makes vaOf(0) and vaOf(1) mean data pages 2 and 3. */
function* remapBoth(hart: GuestHart): Steps {
  for (const i of [0, 1]) yield* setLeaf(hart, i, entryFor(dataAt(i + 2), KERNEL_PAGE));
}

/** The data pages that loads of vaOf(0) and vaOf(1) reach. */
function* reached(hart: GuestHart): Steps<number[]> {
  const pages: number[] = [];
  for (const i of [0, 1]) {
    const outcome = yield* hart.load(vaOf(i));
    expect(outcome.kind).toBe('value');
    if (outcome.kind === 'value') pages.push((outcome.value - dataAt(0)) / 4096);
  }
  return pages;
}

describe('a leaf table in sync', () => {
  it('is write-protected; the first store makes it unsync, and no further one traps', () => {
    withGuest(function* (vm, hart) {
      const { stats } = vm.kvm;
      const vcpu = vm.kvm.vcpus[0]!;
      expect(shadowOf(vm, LEAF, 0)).toMatchObject({ unsync: false });
      yield* setLeaf(hart, 0, entryFor(dataAt(2), KERNEL_PAGE));
      expect(shadowOf(vm, LEAF, 0)).toMatchObject({ unsync: true });
      expect(shadowOf(vm, 2, 1)).toMatchObject({ unsyncChildren: 1 });
      expect(shadowOf(vm, 1, 2)).toMatchObject({ unsyncChildren: 1 });
      expect(stats).toMatchObject({ mmu_unsync: 1, mmu_pte_write: 0 });
      const { pf_taken, pf_emulate } = vcpu.stats;
      yield* setLeaf(hart, 1, entryFor(dataAt(3), KERNEL_PAGE));
      expect(vcpu.stats).toMatchObject({ pf_taken, pf_emulate });
    });
  });

  it('is one from the moment that it is used as a table, though it could be written before', () => {
    withGuest(function* (vm, hart) {
      const far = MEGAPAGE + vaOf(0);
      const other = { ...TABLES, leaf: pageAt(4) };
      yield* hart.store64(leafEntry(other, far), entryFor(dataAt(3), KERNEL_PAGE));
      expect(sptesOf(vm, 4).map(isWritableSpte)).toEqual([true]);
      yield* hart.store64(entryAddress(TABLES.middle, far, 1), entryFor(other.leaf, PTE_V));
      expect(yield* hart.load(far)).toEqual(value(dataAt(3)));
      expect(sptesOf(vm, 4).map(isWritableSpte)).toEqual([false]);
    });
  });

  it('is so again after a fence of all, and traps again', () => {
    withGuest(function* (vm, hart) {
      yield* remapBoth(hart);
      yield* hart.fence();
      expect(vm.kvm.stats.mmu_unsync).toBe(0);
      expect(sptesOf(vm, LEAF).some(isWritableSpte)).toBe(false);
      expect(shadowOf(vm, 1, 2)).toMatchObject({ unsyncChildren: 0 });
      const { pf_taken } = vm.kvm.vcpus[0]!.stats;
      yield* setLeaf(hart, 0, entryFor(dataAt(0), KERNEL_PAGE));
      expect(vm.kvm.vcpus[0]!.stats.pf_taken).toBe(pf_taken + 1);
      yield* hart.fence();
      expect(yield* reached(hart)).toEqual([0, 3]);
    });
  });
});

describe('after the tables were changed, an access reaches', () => {
  it('the old pages without a fence', () => {
    withGuest(function* (_vm, hart) {
      yield* remapBoth(hart);
      expect(yield* reached(hart)).toEqual([0, 1]);
    });
  });

  it('the new ones after sfence.vma', () => {
    withGuest(function* (_vm, hart) {
      yield* remapBoth(hart);
      yield* hart.fence();
      expect(yield* reached(hart)).toEqual([2, 3]);
    });
  });

  it('the new one only where sfence.vma named the address; the table stays unsync', () => {
    withGuest(function* (vm, hart) {
      yield* remapBoth(hart);
      yield* hart.fence(vaOf(1));
      expect(yield* reached(hart)).toEqual([0, 3]);
      expect(vm.kvm.stats.mmu_unsync).toBe(1);
      yield* hart.fence(vaOf(0));
      expect(yield* reached(hart)).toEqual([2, 3]);
    });
  });

  it('and no TLB loses more than the page, unless the table has other addresses, too', () => {
    withGuest(function* (_, hart) {
      const { stats } = hart.vcpu;
      yield* setLeaf(hart, 0, entryFor(dataAt(2), KERNEL_PAGE));
      const before = stats.tlb_flush;
      yield* hart.fence(vaOf(0), null);
      yield* hart.load(vaOf(0));
      expect(stats.tlb_flush).toBe(before);
      const other = vaOf(0) + MEGAPAGE;
      yield* hart.store64(entryAddress(TABLES.middle, other, 1), entryFor(TABLES.leaf, PTE_V));
      expect(yield* hart.load(other)).toEqual(value(dataAt(2)));
      yield* setLeaf(hart, 0, entryFor(dataAt(3), KERNEL_PAGE));
      const shared = stats.tlb_flush;
      yield* hart.fence(vaOf(0), null);
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(3)));
      expect(stats.tlb_flush).toBe(shared + 1);
      expect(yield* hart.load(other)).toEqual(value(dataAt(3)));
    });
  });

  it('the new ones after a fence of its address space, the old ones after that of another', () => {
    withGuest(function* (_vm, hart) {
      yield* remapBoth(hart);
      yield* hart.fence(null, 5);
      // The fence dropped what the TLB held; the shadow tables did not follow.
      expect(yield* reached(hart)).toEqual([0, 1]);
      yield* hart.fence(vaOf(0), 5);
      expect(yield* reached(hart)).toEqual([0, 1]);
      yield* hart.fence(vaOf(0), 0);
      expect(yield* reached(hart)).toEqual([2, 1]);
      yield* hart.fence(null, 0);
      expect(yield* reached(hart)).toEqual([2, 3]);
    });
  });

  it('the new ones in an address space that was fenced while it was not current', () => {
    withGuest(function* (_vm, hart) {
      yield* remapBoth(hart);
      yield* hart.fence(null, 5);
      yield* hart.satp(TABLES.root, 5);
      expect(yield* reached(hart)).toEqual([2, 3]);
    });
  });

  it('the old ones after satp was written: it orders nothing', () => {
    withGuest(function* (_vm, hart) {
      yield* remapBoth(hart);
      yield* hart.satp(null);
      yield* hart.satp(TABLES.root);
      expect(yield* reached(hart)).toEqual([0, 1]);
      yield* hart.satp(null);
      yield* hart.fence();
      yield* hart.satp(TABLES.root);
      expect(yield* reached(hart)).toEqual([2, 3]);
    });
  });

  it('the new ones at an address that sfence.vma cannot mean, as before: nothing happens', () => {
    withGuest(function* (_vm, hart) {
      yield* remapBoth(hart);
      yield* hart.fence(2 ** 45);
      expect(yield* reached(hart)).toEqual([0, 1]);
    });
  });

  it('no page where the entry is gone, or was never used', () => {
    withGuest(function* (_vm, hart) {
      yield* setLeaf(hart, 0, 0n);
      yield* setLeaf(hart, 1, entryFor(dataAt(1), KERNEL_PAGE & ~PTE_A));
      yield* hart.fence();
      expect(yield* hart.load(vaOf(0))).toEqual(trap(LOAD_PAGE_FAULT, vaOf(0)));
      expect(yield* hart.load(vaOf(1))).toEqual(value(dataAt(1)));
      const entry = yield* hart.load(leafEntry(TABLES, vaOf(1)), PHYSICAL);
      expect(entry).toEqual(value(Number(entryFor(dataAt(1), KERNEL_PAGE))));
    });
  });

  it('no page for writing where the entry lost W, and one where it won it', () => {
    withGuest(function* (vm, hart) {
      yield* hart.store(vaOf(0), 1);
      yield* setLeaf(hart, 0, entryFor(dataAt(0), READ_ONLY));
      yield* hart.fence();
      expect(sptesOf(vm, FIRST_DATA).map(isWritableSpte)).toEqual([false]);
      expect(yield* hart.store(vaOf(0), 2)).toEqual(trap(STORE_PAGE_FAULT, vaOf(0)));
      yield* setLeaf(hart, 0, entryFor(dataAt(0), KERNEL_PAGE));
      yield* hart.fence();
      expect(yield* hart.store(vaOf(0), 3)).toMatchObject({ kind: 'value' });
      expect(yield* hart.load(vaOf(0))).toEqual(value(3));
    });
  });

  it('its page for writing, when D was cleared, only with a store that sets it again', () => {
    withGuest(function* (vm, hart) {
      yield* hart.store(vaOf(0), 1);
      yield* setLeaf(hart, 0, entryFor(dataAt(0), CLEAN_PAGE));
      yield* hart.fence();
      expect(sptesOf(vm, FIRST_DATA).map(isWritableSpte)).toEqual([false]);
      const at = leafEntry(TABLES, vaOf(0));
      expect(yield* hart.load(at, PHYSICAL)).toEqual(value(Number(entryFor(dataAt(0), CLEAN_PAGE))));
      yield* hart.store(vaOf(0), 2);
      expect(yield* hart.load(at, PHYSICAL)).toEqual(value(Number(entryFor(dataAt(0), KERNEL_PAGE))));
    });
  });

  it('its page with all that was stored there, when the entry got other permissions', () => {
    withGuest(function* (vm, hart) {
      // Clean and in swap: the spte alone knows of the store.
      yield* pageOut(vm, FIRST_DATA);
      yield* hart.load(vaOf(0));
      yield* hart.store(vaOf(0), 5);
      yield* setLeaf(hart, 0, entryFor(dataAt(0), KERNEL_PAGE | PTE_X));
      yield* hart.fence();
      expect(sptesOf(vm, FIRST_DATA)).toHaveLength(1);
      yield* pageOut(vm, FIRST_DATA);
      expect(yield* hart.load(vaOf(0))).toEqual(value(5));
    });
  });

  it('no page of the supervisor’s as a user, and the other way round', () => {
    withGuest(function* (_vm, hart) {
      expect(yield* hart.load(vaOf(0), USER)).toEqual(trap(LOAD_PAGE_FAULT, vaOf(0)));
      yield* setLeaf(hart, 0, entryFor(dataAt(0), KERNEL_PAGE | PTE_U));
      yield* hart.fence(vaOf(0));
      expect(yield* hart.load(vaOf(0), USER)).toEqual(value(dataAt(0)));
      expect(yield* hart.load(vaOf(0), { privilege: 'S' })).toEqual(trap(LOAD_PAGE_FAULT, vaOf(0)));
    });
  });

  it('the new pages, though the table was swapped out when the fence came', () => {
    withGuest(function* (vm, hart) {
      yield* remapBoth(hart);
      yield* pageOut(vm, LEAF);
      yield* hart.fence();
      // What cannot be read is not trusted.
      expect(shadowOf(vm, LEAF, 0)).toBeUndefined();
      expect(yield* reached(hart)).toEqual([2, 3]);
    });
  });

  it('the new page, though the table was swapped out when the fence of its address came', () => {
    withGuest(function* (vm, hart) {
      yield* remapBoth(hart);
      yield* pageOut(vm, LEAF);
      yield* hart.fence(vaOf(1));
      expect(yield* reached(hart)).toEqual([0, 3]);
    });
  });
});

describe('a table that is unsync', () => {
  it('is synced when it is linked at a new address: no fence is due there', () => {
    withGuest(function* (_vm, hart) {
      yield* remapBoth(hart);
      const middleEntry = entryAddress(TABLES.middle, vaOf(0) + MEGAPAGE, 1);
      yield* hart.store64(middleEntry, entryFor(TABLES.leaf, PTE_V));
      expect(yield* hart.load(vaOf(0) + MEGAPAGE)).toEqual(value(dataAt(2)));
      expect(yield* hart.load(vaOf(1) + MEGAPAGE)).toEqual(value(dataAt(3)));
    });
  });

  it('is synced when a table above it is', () => {
    withGuest(function* (_vm, hart) {
      yield* remapBoth(hart);
      const GIGA = 2 ** 30;
      yield* hart.store64(entryAddress(TABLES.root, GIGA, 2), entryFor(TABLES.middle, PTE_V));
      expect(yield* hart.load(vaOf(0) + GIGA)).toEqual(value(dataAt(2)));
      expect(yield* hart.load(vaOf(1) + GIGA)).toEqual(value(dataAt(3)));
    });
  });

  it('is zapped when it is used as a table of a higher level', () => {
    withGuest(function* (vm, hart) {
      // Page 3 has a pointer to page 4 where a middle table needs it; page 4 is a leaf table.
      yield* clearPages(vm, 4);
      yield* hart.store64(entryAddress(pageAt(4), vaOf(0), 0), entryFor(dataAt(5), KERNEL_PAGE));
      yield* hart.store64(entryAddress(TABLES.leaf, 8 * MEGAPAGE, 1), entryFor(pageAt(4), PTE_V));
      expect(shadowOf(vm, LEAF, 0)).toMatchObject({ unsync: true });
      const GIGA = 2 ** 30;
      yield* hart.store64(entryAddress(TABLES.root, GIGA, 2), entryFor(TABLES.leaf, PTE_V));
      expect(yield* hart.load(GIGA + 8 * MEGAPAGE + vaOf(0))).toEqual(value(dataAt(5)));
      expect(shadowOf(vm, LEAF, 0)).toBeUndefined();
      expect(shadowOf(vm, LEAF, 1)).toBeDefined();
      // Now its stores are emulated, whatever it is used as.
      const { pf_emulate } = vm.kvm.vcpus[0]!.stats;
      yield* remapBoth(hart);
      expect(vm.kvm.vcpus[0]!.stats.pf_emulate).toBe(pf_emulate + 2);
      yield* hart.fence();
      expect(yield* reached(hart)).toEqual([2, 3]);
    });
  });

  it('may map itself: a store through the mapping is followed like any other', () => {
    withGuest(function* (vm, hart) {
      yield* setLeaf(hart, 2, entryFor(TABLES.leaf, KERNEL_PAGE));
      yield* hart.fence();
      const inside = vaOf(2) + (leafEntry(TABLES, vaOf(0)) - TABLES.leaf);
      yield* hart.store64(inside, entryFor(dataAt(3), KERNEL_PAGE), { privilege: 'S' });
      expect(shadowOf(vm, LEAF, 0)).toMatchObject({ unsync: true });
      yield* hart.fence(vaOf(0));
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(3)));
      yield* hart.fence();
      expect(sptesOf(vm, LEAF).some(isWritableSpte)).toBe(false);
    });
  });

  it('is not made writable again by the syncing of another one that maps it', () => {
    withGuest(function* (vm, hart) {
      // Leaf tables 3 and 4, the second one for another 2 MiB; each maps the other.
      const other = { ...TABLES, leaf: pageAt(4) };
      const far = MEGAPAGE + vaOf(0);
      yield* clearPages(vm, 4);
      yield* hart.store64(leafEntry(other, far), entryFor(dataAt(3), KERNEL_PAGE));
      yield* hart.store64(leafEntry(other, far + 4096), entryFor(TABLES.leaf, KERNEL_PAGE));
      yield* hart.store64(entryAddress(TABLES.middle, far, 1), entryFor(other.leaf, PTE_V));
      yield* setLeaf(hart, 3, entryFor(other.leaf, KERNEL_PAGE));
      yield* hart.fence();
      // Both go out of sync; what is left to follow is that the mappings became executable, too.
      const unused = { privilege: 'S' } as const;
      yield* hart.store64(far + 4096 + 4088, entryFor(other.leaf, 0), unused);
      yield* hart.store64(vaOf(3) + 4088, entryFor(other.leaf, 0), unused);
      yield* setLeaf(hart, 3, entryFor(other.leaf, KERNEL_PAGE | PTE_X));
      yield* hart.store64(leafEntry(other, far + 4096), entryFor(TABLES.leaf, KERNEL_PAGE | PTE_X));
      expect(vm.kvm.stats.mmu_unsync).toBe(2);
      yield* hart.fence();
      expect(vm.kvm.stats.mmu_unsync).toBe(0);
      for (const page of [3, 4]) expect(sptesOf(vm, page).map(isWritableSpte)).not.toContain(true);
      // Each store through such a mapping is followed.
      const entry = leafEntry(TABLES, vaOf(0)) - TABLES.leaf;
      yield* hart.store64(far + 4096 + entry, entryFor(dataAt(5), KERNEL_PAGE), unused);
      yield* hart.store64(vaOf(3) + entry, entryFor(dataAt(6), KERNEL_PAGE), unused);
      yield* hart.fence();
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(5)));
      expect(yield* hart.load(far)).toEqual(value(dataAt(6)));
    });
  });
});

describe('harts', () => {
  it('have their own fences: one brings its own accesses up to date, whoever wrote', () => {
    const vm = new TestVm({ harts: 2, ramPages: 16, checkEvery: 20 });
    vm.run({
      *'vcpu/0'() {
        yield* makeTables(vm, 4);
        const first = yield* bootPaged(vm, 0);
        const second = new GuestHart(vm.kvm.vcpus[1]!);
        yield* second.reset();
        yield* second.satp(TABLES.root);
        for (const hart of [first, second]) expect(yield* reached(hart)).toEqual([0, 1]);
        expect(vm.kvm.vcpus[0]!.root).toBe(vm.kvm.vcpus[1]!.root);
        yield* remapBoth(first);
        yield* second.fence(vaOf(1));
        expect(yield* reached(second)).toEqual([0, 3]);
        yield* second.fence();
        expect(yield* reached(second)).toEqual([2, 3]);
        yield* first.fence();
        expect(yield* reached(first)).toEqual([2, 3]);
      },
    });
    vm.finish();
  });
});
