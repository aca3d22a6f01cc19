// Leaves of 2 MiB: where guest, memslot and host are aligned alike the guest gets one entry for a huge page of the
// host, and loses it when any part of that changes.

import { describe, expect, it } from 'vitest';
import { kvmSetMemoryRegion, trackWrites } from '../../src/kvm/index.ts';
import {
  copyFromUser,
  exitMm,
  fork,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_PAGEOUT,
  type Mm,
  madvise,
} from '../../src/mm/index.ts';
import { inspectPte } from '../../src/mm/internals.ts';
import { folioReferenced } from '../../src/mm/rmap/referenced.ts';
import type { Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { type GuestHart, PHYSICAL, value } from '../support/guestHart.ts';
import { entryAddress, entryFor, KERNEL_PAGE } from '../support/guestTables.ts';
import {
  bootPaged,
  clearPages,
  dataAt,
  makeTables,
  pageAt,
  setLeaf,
  TABLES,
  vaOf,
} from '../support/pagedGuest.ts';
import { TestVm } from '../support/testVm.ts';

const HUGE = 512 * PAGE_SIZE;
/** Pages of guest RAM: the first 2 MiB have code and tables. */
const DATA = 512;
const USED = [0, 1, 7, 511].map((page) => pageAt(DATA + page));

/** A guest whose RAM is three huge pages; the pages in USED say where they lie. */
function withGuest(mmu: 'shadow' | 'tdp', body: (vm: TestVm, hart: GuestHart) => Steps): void {
  const vm = new TestVm({
    mmu,
    thp: 'always',
    frames: 3200,
    swapSlots: 1100,
    ramPages: 1536,
    filled: false,
    checkEvery: 2003,
  });
  vm.run({
    *'vcpu/0'() {
      for (const address of USED) yield* vm.write64(address, BigInt(address));
      yield* makeTables(vm, 4);
      for (let i = 0; i < 4; i++) yield* vm.write64(dataAt(i), BigInt(dataAt(i)));
      const hart = yield* bootPaged(vm);
      yield* body(vm, hart);
    },
  });
  vm.finish();
}

function* expectUsed(hart: GuestHart): Steps {
  for (const address of USED) expect(yield* hart.load(address, PHYSICAL)).toEqual(value(address));
}

const hostAt = (vm: TestVm, address: number): Hva => vm.hvaOf(address);

describe.each(['shadow', 'tdp'] as const)('a huge page of the host, under %s', (mmu) => {
  const withVm = (body: (vm: TestVm, hart: GuestHart) => Steps): void => withGuest(mmu, body);

  it('is mapped by one entry, and faulted in once', () => {
    withVm(function* (vm, hart) {
      yield* hart.load(USED[0]!, PHYSICAL);
      const { pf_fixed } = hart.vcpu.stats;
      const { pages_2m } = vm.kvm.stats;
      expect(pages_2m).toBeGreaterThan(0);
      yield* expectUsed(hart);
      yield* hart.store(USED[2]!, 5, PHYSICAL);
      expect(yield* hart.load(USED[2]!, PHYSICAL)).toEqual(value(5));
      expect([hart.vcpu.stats.pf_fixed, vm.kvm.stats.pages_2m]).toEqual([pf_fixed, pages_2m]);
    });
  });

  it('is lost when the host splits it, and had again when it is put together', () => {
    withVm(function* (vm, hart) {
      yield* expectUsed(hart);
      const { pages_2m } = vm.kvm.stats;
      expect(yield* madvise(vm.mm, hostAt(vm, USED[1]!), PAGE_SIZE, MADV_DONTNEED)).toBe(0);
      expect(vm.kvm.stats.pages_2m).toBe(pages_2m - 1);
      expect(yield* hart.load(USED[1]!, PHYSICAL)).toEqual(value(0));
      expect(yield* hart.load(USED[2]!, PHYSICAL)).toEqual(value(USED[2]!));
      const { pages_4k } = vm.kvm.stats;
      expect(pages_4k).toBeGreaterThan(1);
      yield* hart.store(USED[1]!, 9, PHYSICAL);
      expect(yield* madvise(vm.mm, hostAt(vm, USED[0]!), HUGE, MADV_COLLAPSE)).toBe(0);
      expect(vm.kvm.stats.pages_4k).toBeLessThan(pages_4k);
      expect(yield* hart.load(USED[1]!, PHYSICAL)).toEqual(value(9));
      expect(yield* hart.load(USED[3]!, PHYSICAL)).toEqual(value(USED[3]!));
      expect(vm.kvm.stats.pages_2m).toBe(pages_2m);
    });
  });

  it('is mapped by pages where the memslot is not aligned with it', () => {
    withVm(function* (vm, hart) {
      const gpa = 0x9000_0000;
      const region = { slot: 1, flags: 0, guestPhysAddr: gpa, memorySize: 2 * HUGE - PAGE_SIZE };
      const userspaceAddr = hostAt(vm, USED[1]!);
      expect(yield* kvmSetMemoryRegion(vm.kvm, { ...region, userspaceAddr })).toBe(0);
      const { pages_2m } = vm.kvm.stats;
      expect(yield* hart.load(gpa, PHYSICAL)).toEqual(value(USED[1]!));
      expect(yield* hart.load(gpa + 6 * PAGE_SIZE, PHYSICAL)).toEqual(value(USED[2]!));
      expect(vm.kvm.stats.pages_2m).toBeLessThanOrEqual(pages_2m);
      expect(vm.kvm.stats.pages_4k).toBeGreaterThan(1);
    });
  });

  it('stays read-only while it is shared, and is copied by pages', () => {
    withVm(function* (vm, hart) {
      yield* hart.store(USED[1]!, 5, PHYSICAL);
      const child = (yield* fork(vm.mm)) as Mm;
      yield* hart.load(USED[1]!, PHYSICAL);
      expect(vm.kvm.stats.pages_2m).toBeGreaterThan(0);
      yield* hart.store(USED[1]!, 6, PHYSICAL);
      expect(yield* hart.load(USED[1]!, PHYSICAL)).toEqual(value(6));
      expect(yield* hart.load(USED[3]!, PHYSICAL)).toEqual(value(USED[3]!));
      const bytes = new Uint8Array(1);
      yield* copyFromUser(child, vm.spareCpu, hostAt(vm, USED[1]!), bytes);
      expect(bytes[0]).toBe(5);
      yield* exitMm(child);
    });
  });

  it('tells the host that it was used, and written to', () => {
    withVm(function* (vm, hart) {
      yield* expectUsed(hart);
      const host = hostAt(vm, USED[0]!);
      const folio = (inspectPte(vm.mm, host) >>> 10) as Pfn;
      yield* folioReferenced(vm.host, folio);
      expect(yield* folioReferenced(vm.host, folio)).toBe(0);
      hart.vcpu.hart.flushAll();
      yield* hart.load(USED[2]!, PHYSICAL);
      expect(yield* folioReferenced(vm.host, folio)).toBe(1);
      expect(yield* madvise(vm.mm, host, HUGE, MADV_FREE)).toBe(0);
      yield* hart.store(USED[2]!, 5, PHYSICAL);
      expect(yield* madvise(vm.mm, host, HUGE, MADV_PAGEOUT)).toBe(0);
      expect(yield* hart.load(USED[2]!, PHYSICAL)).toEqual(value(5));
    });
  });

  it('is given up for a page whose stores are watched', () => {
    withVm(function* (vm, hart) {
      yield* hart.store(USED[1]!, 5, PHYSICAL);
      yield* trackWrites(vm.kvm, vm.gfn(DATA + 1));
      yield* hart.store(USED[1]!, 6, PHYSICAL);
      expect(hart.vcpu.stats.pf_emulate).toBeGreaterThan(0);
      const { pf_emulate } = hart.vcpu.stats;
      yield* hart.store(USED[2]!, 7, PHYSICAL);
      yield* hart.store(USED[2]!, 8, PHYSICAL);
      expect(hart.vcpu.stats.pf_emulate).toBe(pf_emulate);
      expect(yield* hart.load(USED[1]!, PHYSICAL)).toEqual(value(6));
      expect(yield* hart.load(USED[2]!, PHYSICAL)).toEqual(value(8));
    });
  });
});

describe('the shadow MMU', () => {
  it('maps a superpage of the guest by one entry', () => {
    withGuest('shadow', function* (vm, hart) {
      const va = 8 * HUGE;
      const entry = entryFor(pageAt(DATA), KERNEL_PAGE);
      yield* hart.store64(entryAddress(TABLES.middle, va, 1), entry, PHYSICAL);
      yield* hart.fence();
      const { pages_2m } = vm.kvm.stats;
      for (const address of USED)
        expect(yield* hart.load(va + (address - pageAt(DATA)))).toEqual(value(address));
      expect(vm.kvm.stats.pages_2m).toBe(pages_2m + 1);
      yield* hart.store(va + 7 * PAGE_SIZE, 5);
      expect(yield* hart.load(USED[2]!, PHYSICAL)).toEqual(value(5));
      expect(yield* madvise(vm.mm, hostAt(vm, USED[0]!), HUGE, MADV_PAGEOUT)).toBe(0);
      expect(vm.kvm.stats.pages_2m).toBeLessThanOrEqual(pages_2m);
      expect(yield* hart.load(va + 7 * PAGE_SIZE)).toEqual(value(5));
    });
  });

  it('maps 2 MiB that have a guest table in them by pages, so that stores to it are seen', () => {
    withGuest('shadow', function* (vm, hart) {
      // The guest has all of its first 2 MiB in one entry before it uses tables in them.
      yield* hart.satp(null);
      yield* hart.store(dataAt(3), 1, PHYSICAL);
      yield* clearPages(vm, 5);
      yield* hart.satp(TABLES.root);
      yield* hart.fence();
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
      yield* setLeaf(hart, 0, entryFor(dataAt(2), KERNEL_PAGE));
      yield* hart.fence();
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(2)));
      yield* hart.store64(entryAddress(TABLES.middle, vaOf(0), 1), entryFor(pageAt(5), 1), PHYSICAL);
      yield* hart.store64(entryAddress(pageAt(5), vaOf(0), 0), entryFor(dataAt(1), KERNEL_PAGE), PHYSICAL);
      yield* hart.fence();
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(1)));
    });
  });
});
