// Shadow pages: the role that they are found by, who shares them, how they hang together, and their limit. And the roots:
// loaded, kept, let go.

import { describe, expect, it } from 'vitest';
import { PTE_R, PTE_U, PTE_W, PTE_X } from '../../src/hw/sv39/index.ts';
import { kvmSetMemoryRegion } from '../../src/kvm/index.ts';
import { isWritableSpte, type ShadowPage } from '../../src/kvm/internals.ts';
import { kvmMmuZapAll } from '../../src/kvm/zap.ts';
import { allocKernelPages, freeKernelPages } from '../../src/mm/index.ts';
import { Random, RESCHED, randomPolicy, type Steps } from '../../src/sched/index.ts';
import { bug, Errno, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { DirectedPolicy, letInEverywhere } from '../support/directed.ts';
import { GuestHart, PHYSICAL, trap, value } from '../support/guestHart.ts';
import {
  entryAddress,
  entryFor,
  KERNEL_PAGE,
  leafEntry,
  linkTables,
  PTE_A,
  PTE_V,
} from '../support/guestTables.ts';
import {
  bootPaged,
  clearPages,
  dataAt,
  FIRST_DATA,
  indirectPages,
  MEGAPAGE,
  makeTables,
  pageAt,
  setLeaf,
  shadowOf,
  sptesOf,
  TABLES,
  vaOf,
} from '../support/pagedGuest.ts';
import { RAM, TestVm, type TestVmOptions } from '../support/testVm.ts';

const GIGA = 2 ** 30;
const LOAD_ACCESS_FAULT = 5;
const STORE_PAGE_FAULT = 15;

function withGuest(body: (vm: TestVm, hart: GuestHart) => Steps, options: TestVmOptions = {}): void {
  const vm = new TestVm({ ramPages: 20, checkEvery: 20, ...options });
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

/** The direct pages that split guest superpages: gfn from RAM, level, access. */
const splits = (vm: TestVm) =>
  [...vm.kvm.shadowPages]
    .filter(({ role }) => role.direct && !role.wide)
    .map(({ gfn, role }) => ({ gfn: gfn - vm.gfn(0), level: role.level, access: role.access }));

const framesOf = (pages: Iterable<ShadowPage>): number => [...pages].reduce((sum, sp) => sum + sp.frames, 0);

describe('a shadow page', () => {
  it('stands for one guest table at one level, and knows who points to it', () => {
    withGuest(function* (vm) {
      const [root, middle, leaf] = [shadowOf(vm, 1, 2)!, shadowOf(vm, 2, 1)!, shadowOf(vm, 3, 0)!];
      expect(indirectPages(vm.kvm)).toHaveLength(3);
      expect([...middle.parents]).toEqual([root.sptep(0)]);
      expect([...leaf.parents]).toEqual([middle.sptep(0)]);
      expect([root.parents.size, root.rootCount, middle.rootCount]).toEqual([0, 1, 0]);
      expect(leaf.gfnOf(256)).toBe(vm.gfn(FIRST_DATA));
      expect(framesOf(vm.kvm.shadowPages)).toBe(vm.kvm.usedMmuPages);
    });
  });

  it('is found again by gfn and role, however many entries point to its table', () => {
    withGuest(function* (vm, hart) {
      const { mmu_cache_miss } = vm.kvm.stats;
      const leaf = shadowOf(vm, 3, 0)!;
      for (const index of [1, 2, 3]) {
        const va = vaOf(0) + index * MEGAPAGE;
        yield* hart.store64(entryAddress(TABLES.middle, va, 1), entryFor(TABLES.leaf, PTE_V));
        expect(yield* hart.load(va)).toEqual(value(dataAt(0)));
      }
      expect(leaf.parents.size).toBe(4);
      expect(vm.kvm.stats.mmu_cache_miss).toBe(mmu_cache_miss);
      // One spte serves all four.
      expect(sptesOf(vm, FIRST_DATA)).toHaveLength(1);
    });
  });

  it('is another one for another level', () => {
    withGuest(function* (vm, hart) {
      // Page 2 is the middle table; as a leaf table its entry 0 is a pointer, and entry 1 maps data page 1.
      const va = GIGA;
      yield* clearPages(vm, 4);
      yield* hart.store64(entryAddress(pageAt(4), va, 1), entryFor(TABLES.middle, PTE_V));
      yield* hart.store64(entryAddress(TABLES.middle, va + PAGE_SIZE, 0), entryFor(dataAt(1), KERNEL_PAGE));
      yield* hart.store64(entryAddress(TABLES.root, va, 2), entryFor(pageAt(4), PTE_V));
      expect(yield* hart.load(va + PAGE_SIZE)).toEqual(value(dataAt(1)));
      expect([shadowOf(vm, 2, 1), shadowOf(vm, 2, 0)]).not.toContain(undefined);
      // A pointer is no leaf.
      expect(yield* hart.load(va)).toMatchObject({ kind: 'trap' });
      // A store through either of its uses zaps in both.
      const { mmu_pte_write } = vm.kvm.stats;
      yield* hart.store64(entryAddress(TABLES.middle, va + PAGE_SIZE, 0), entryFor(dataAt(2), KERNEL_PAGE));
      expect(vm.kvm.stats.mmu_pte_write).toBe(mmu_pte_write + 1);
      yield* hart.fence();
      expect(yield* hart.load(va + PAGE_SIZE)).toEqual(value(dataAt(2)));
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
    });
  });

  it('is direct inside a guest superpage, one for each permission that it is mapped with', () => {
    withGuest(function* (vm, hart) {
      const entries = [KERNEL_PAGE, KERNEL_PAGE, KERNEL_PAGE & ~PTE_W, KERNEL_PAGE | PTE_X];
      for (const [i, flags] of entries.entries())
        yield* hart.store64(entryAddress(TABLES.middle, (8 + i) * MEGAPAGE, 1), entryFor(RAM, flags));
      for (let i = 0; i < entries.length; i++)
        expect(yield* hart.load((8 + i) * MEGAPAGE + 9 * PAGE_SIZE)).toEqual(value(pageAt(9)));
      expect(splits(vm).filter(({ access }) => access !== (PTE_R | PTE_W | PTE_X | PTE_U))).toEqual([
        { gfn: 0, level: 0, access: PTE_R | PTE_W },
        { gfn: 0, level: 0, access: PTE_R },
        { gfn: 0, level: 0, access: PTE_R | PTE_W | PTE_X },
      ]);
      expect(yield* hart.store(10 * MEGAPAGE, 1)).toEqual(trap(STORE_PAGE_FAULT, 10 * MEGAPAGE));
    });
  });

  it('inside a clean superpage gives way to one that may be written, when D is set', () => {
    withGuest(function* (vm, hart) {
      const va = 8 * MEGAPAGE + 9 * PAGE_SIZE;
      const clean = PTE_V | PTE_R | PTE_W | PTE_A;
      yield* hart.store64(entryAddress(TABLES.middle, va, 1), entryFor(RAM, clean));
      expect(yield* hart.load(va)).toEqual(value(pageAt(9)));
      expect(sptesOf(vm, 9).map(isWritableSpte)).toEqual([false]);
      expect(yield* hart.store(va, 1)).toMatchObject({ kind: 'value' });
      expect(yield* vm.read64(entryAddress(TABLES.middle, va, 1))).toBe(entryFor(RAM, KERNEL_PAGE));
      expect(yield* hart.load(va)).toEqual(value(1));
      expect(sptesOf(vm, 9).map(isWritableSpte)).toEqual([false, true]);
    });
  });

  it('of an unpaged guest is direct and wide, and all harts share it', () => {
    for (const mmu of ['shadow', 'tdp'] as const) {
      const vm = new TestVm({ mmu, harts: 3, ramPages: 12 });
      vm.run({
        *'vcpu/0'() {
          for (const vcpu of vm.kvm.vcpus) {
            const hart = new GuestHart(vcpu);
            yield* hart.reset();
            expect(yield* hart.load(pageAt(5), PHYSICAL)).toEqual(value(pageAt(5)));
          }
          const roots = new Set(vm.kvm.vcpus.map(({ directRoot }) => directRoot));
          expect(roots.size).toBe(1);
          const [root] = roots;
          expect(root).toMatchObject({ rootCount: 3, frames: 4, entries: 2048 });
          // Root, one table of each level below: six frames, two pages, each mapped once.
          expect(vm.kvm.usedMmuPages).toBe(6);
          expect(vm.kvm.stats.pages_4k).toBe(2);
          expect(vm.kvm.indirectShadowPages).toBe(0);
        },
      });
      vm.finish();
    }
  });

  it('of an unpaged guest is one, though two harts make it at the same time', () => {
    const policy = new DirectedPolicy();
    const vm = new TestVm({ harts: 2, ramPages: 12, policy, checkEvery: 20 });
    const harts = vm.kvm.vcpus.map((vcpu) => new GuestHart(vcpu));
    const load = (index: number) => ({
      name: `vcpu/${index}`,
      *body(): Steps {
        expect(yield* harts[index]!.load(pageAt(5), PHYSICAL)).toEqual(value(pageAt(5)));
      },
    });
    vm.run({
      *'vcpu/0'() {
        for (const hart of harts) yield* hart.reset();
      },
    });
    const rounds = letInEverywhere(vm, policy, () => {
      vm.run({ vmm: () => kvmMmuZapAll(vm.kvm) });
      return {
        main: load(0),
        other: load(1),
        verify() {
          const [first, second] = vm.kvm.vcpus;
          expect(second!.directRoot).toBe(first!.directRoot);
          expect([...vm.kvm.shadowPages].filter(({ role }) => role.wide)).toEqual([first!.directRoot]);
        },
      };
    });
    expect(rounds).toBeGreaterThan(40);
    vm.finish();
  });

  it('of a guest’s table is none of the region that begins with it', () => {
    withGuest(function* (vm, hart) {
      // Page 0 is the first of its 2 MiB, which the harts reach untranslated through a direct page of the same gfn.
      const va = MEGAPAGE + 300 * PAGE_SIZE;
      yield* hart.store64(entryAddress(RAM, va, 0), entryFor(dataAt(3), KERNEL_PAGE));
      yield* hart.store64(entryAddress(TABLES.middle, va, 1), entryFor(RAM, PTE_V));
      expect(yield* hart.load(va)).toEqual(value(dataAt(3)));
      expect(yield* hart.load(pageAt(9), PHYSICAL)).toEqual(value(pageAt(9)));
      const here = [...vm.kvm.shadowPages].filter(({ gfn, role }) => gfn === vm.gfn(0) && role.level === 0);
      expect(here.map(({ role }) => role.direct).sort()).toEqual([false, true]);
    });
  });

  it('whose entry is replaced while it is mapped lets go of what it mapped', () => {
    withGuest(function* (vm, hart) {
      yield* setLeaf(hart, 0, entryFor(dataAt(0), KERNEL_PAGE & ~PTE_W));
      yield* hart.fence();
      yield* hart.load(vaOf(0));
      // No fence: but the old entry permits no store, and the walk that follows finds the new one.
      yield* setLeaf(hart, 0, entryFor(dataAt(2), KERNEL_PAGE));
      expect(yield* hart.store(vaOf(0), 1)).toMatchObject({ kind: 'value' });
      expect(sptesOf(vm, FIRST_DATA)).toEqual([]);
      expect(sptesOf(vm, FIRST_DATA + 2).map(isWritableSpte)).toEqual([true]);
      expect(yield* hart.load(vaOf(0))).toEqual(value(1));
      expect(yield* vm.read64(dataAt(2))).toBe(1n);
    });
  });

  it('is not found through one gfn by more than a thousand sptes: then all are zapped', () => {
    const vm = new TestVm({ ramPages: 12, checkEvery: 1_000_000 });
    vm.run({
      *'vcpu/0'() {
        yield* makeTables(vm, 0);
        const tables = [3, 4].map(pageAt);
        const entries = new BigUint64Array(512).fill(entryFor(pageAt(9), KERNEL_PAGE));
        for (const [i, table] of tables.entries()) {
          yield* vm.write(table, new Uint8Array(entries.buffer));
          yield* vm.write64(entryAddress(TABLES.middle, i * MEGAPAGE, 1), entryFor(table, PTE_V));
        }
        const hart = yield* bootPaged(vm);
        for (let page = 0; page < 1001; page++) yield* hart.load(page * PAGE_SIZE);
        expect(vm.kvm.stats.max_mmu_rmap_size).toBe(1001);
        // The access that was one too many found its own gone, too, and made it anew.
        expect(sptesOf(vm, 9)).toHaveLength(1);
        expect(vm.kvm.stats.pages_4k).toBe(2);
        expect(yield* hart.load(0)).toEqual(value(pageAt(9)));
        expect(sptesOf(vm, 9)).toHaveLength(2);
      },
    });
    vm.finish();
  });
});

describe('a root', () => {
  it('is shared by the harts that have loaded it', () => {
    const vm = new TestVm({ harts: 2, ramPages: 16 });
    vm.run({
      *'vcpu/0'() {
        yield* makeTables(vm, 2);
        const harts = [yield* bootPaged(vm, 0), yield* bootPaged(vm, 1)];
        for (const hart of harts) yield* hart.load(vaOf(0));
        const root = shadowOf(vm, 1, 2)!;
        expect(vm.kvm.vcpus.map((vcpu) => vcpu.root)).toEqual([root, root]);
        expect(root.rootCount).toBe(2);
        expect(indirectPages(vm.kvm)).toHaveLength(3);
        const { pf_taken } = harts[1]!.vcpu.stats;
        yield* harts[0]!.load(vaOf(1));
        yield* harts[1]!.load(vaOf(1));
        // What one hart faulted in, the other finds.
        expect(harts[1]!.vcpu.stats.pf_taken).toBe(pf_taken);
        yield* harts[0]!.satp(null);
        yield* harts[0]!.load(RAM, PHYSICAL);
        expect(root.rootCount).toBe(1);
        expect(vm.kvm.vcpus.map((vcpu) => vcpu.root)).toEqual([null, root]);
      },
    });
    vm.finish();
  });

  it('is kept with all below it while another one is loaded', () => {
    withGuest(function* (vm, hart) {
      yield* clearPages(vm, 4);
      yield* hart.store64(entryAddress(pageAt(4), vaOf(0), 2), entryFor(TABLES.middle, PTE_V));
      yield* hart.satp(pageAt(4));
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
      expect(shadowOf(vm, 1, 2)).toMatchObject({ rootCount: 0, invalid: false });
      expect(shadowOf(vm, 2, 1)!.parents.size).toBe(2);
      const { mmu_cache_miss } = vm.kvm.stats;
      const { pf_taken } = hart.vcpu.stats;
      for (const root of [TABLES.root, pageAt(4), TABLES.root]) {
        yield* hart.satp(root);
        expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
      }
      expect(vm.kvm.stats.mmu_cache_miss).toBe(mmu_cache_miss);
      expect(hart.vcpu.stats.pf_taken).toBe(pf_taken);
    });
  });

  it('where there is no memory makes each access fault in the guest', () => {
    for (const mmu of ['shadow', 'tdp'] as const) {
      withGuest(
        function* (vm, hart) {
          for (const root of [0x1000, RAM + vm.ramPages * PAGE_SIZE, 2 ** 50]) {
            yield* hart.satp(root);
            expect(yield* hart.load(vaOf(0))).toEqual(trap(LOAD_ACCESS_FAULT, vaOf(0)));
            expect(vm.kvm.vcpus[0]!.root).toBeNull();
          }
          yield* hart.satp(TABLES.root);
          expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
        },
        { mmu },
      );
    }
  });

  it('in another mode than Sv39 stays what it was: satp ignores the write', () => {
    withGuest(function* (vm, hart) {
      const { root } = vm.kvm.vcpus[0]!;
      for (const mode of [1, 9, 10]) {
        hart.vcpu.hart.setX(12, 0x1234, mode << 28);
        yield* hart.execute('satp');
        expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
        expect(vm.kvm.vcpus[0]!.root).toBe(root);
      }
    });
  });
});

/** Slots all over guest physical space that show the first data page, so that few pages need many tables. */
function* scatterSlots(vm: TestVm, count: number, distance: number): Steps<number[]> {
  const places: number[] = [];
  for (let i = 0; i < count; i++) {
    const guestPhysAddr = 64 * GIGA + i * distance;
    const region = {
      slot: i + 1,
      flags: 0,
      guestPhysAddr,
      memorySize: PAGE_SIZE,
      userspaceAddr: vm.hvaOf(dataAt(0)),
    };
    expect(yield* kvmSetMemoryRegion(vm.kvm, region)).toBe(0);
    places.push(guestPhysAddr);
  }
  return places;
}

describe('the limit on shadow pages', () => {
  it('is kept by giving up the oldest, roots in use aside, and nobody notices', () => {
    for (const mmu of ['shadow', 'tdp'] as const) {
      const vm = new TestVm({ mmu, ramPages: 16, maxMmuPages: 14, checkEvery: 100 });
      let peak = 0;
      vm.run({
        *'vcpu/0'() {
          const places = yield* scatterSlots(vm, 12, GIGA);
          const hart = new GuestHart(vm.kvm.vcpus[0]!);
          yield* hart.reset();
          const { directRoot } = vm.kvm.vcpus[0]!;
          for (let round = 0; round < 3; round++) {
            for (const place of places) {
              expect(yield* hart.load(place, PHYSICAL)).toEqual(value(dataAt(0)));
              peak = Math.max(peak, vm.kvm.usedMmuPages);
            }
          }
          expect(vm.kvm.vcpus[0]!.directRoot).toBe(directRoot);
          expect(vm.kvm.stats.mmu_recycled).toBeGreaterThan(20);
        },
      });
      expect(peak).toBeGreaterThan(10);
      expect(peak).toBeLessThanOrEqual(14);
      vm.finish();
    }
  });

  it('is kept for guests with more tables than that, too', () => {
    const vm = new TestVm({ ramPages: 40, maxMmuPages: 16, checkEvery: 100 });
    const spaces = 8;
    vm.run({
      *'vcpu/0'() {
        const trees = Array.from({ length: spaces }, (_, i) => {
          const [root, middle, leaf] = [1, 2, 3].map((part) => pageAt(i * 3 + part)) as [
            number,
            number,
            number,
          ];
          return { root, middle, leaf };
        });
        yield* clearPages(vm, ...Array.from({ length: spaces * 3 }, (_, i) => i + 1));
        for (const [i, tables] of trees.entries()) {
          yield* linkTables((gpa, entry) => vm.write64(gpa, entry), tables, vaOf(0));
          yield* vm.write64(leafEntry(tables, vaOf(0)), entryFor(pageAt(26 + i), KERNEL_PAGE));
        }
        const hart = new GuestHart(vm.kvm.vcpus[0]!);
        yield* hart.reset();
        for (let round = 0; round < 3; round++) {
          for (const [i, { root }] of trees.entries()) {
            yield* hart.satp(root);
            expect(yield* hart.load(vaOf(0))).toEqual(value(pageAt(26 + i)));
            expect(vm.kvm.usedMmuPages).toBeLessThanOrEqual(16);
            expect(vm.kvm.vcpus[0]!.root).toMatchObject({ invalid: false });
          }
        }
        expect(vm.kvm.stats.mmu_recycled).toBeGreaterThan(10);
      },
    });
    vm.finish();
  });

  it('is kept when several harts fault at once, and none starves', () => {
    for (let seed = 1; seed <= 4; seed++) {
      const policy = randomPolicy(seed);
      const vm = new TestVm({ harts: 3, ramPages: 16, maxMmuPages: 20, policy, checkEvery: 200 });
      let places: number[] = [];
      vm.run({
        *boot() {
          places = yield* scatterSlots(vm, 8, GIGA);
        },
      });
      const body = (index: number) =>
        function* (): Steps {
          const random = new Random(seed * 3 + index);
          const hart = new GuestHart(vm.kvm.vcpus[index]!);
          yield* hart.reset();
          for (let i = 0; i < 12; i++) {
            expect(yield* hart.load(places[random.below(8)]!, PHYSICAL)).toEqual(value(dataAt(0)));
            expect(vm.kvm.usedMmuPages).toBeLessThanOrEqual(20);
            yield RESCHED;
          }
        };
      vm.run({ 'vcpu/0': body(0), 'vcpu/1': body(1), 'vcpu/2': body(2) });
      expect(vm.kvm.stats.mmu_recycled).toBeGreaterThan(0);
      vm.finish();
    }
  });

  it('costs nothing where a fault makes no page', () => {
    withGuest(function* (vm, hart) {
      const { kvm } = vm;
      const [place] = yield* scatterSlots(vm, 1, GIGA);
      // Its spte grants no W until the guest's entry has D.
      yield* setLeaf(hart, 1, entryFor(dataAt(1), PTE_V | PTE_R | PTE_W | PTE_A));
      expect(yield* hart.load(vaOf(1))).toEqual(value(dataAt(1)));
      const pages = [...kvm.shadowPages];
      (kvm as { maxMmuPages: number }).maxMmuPages = kvm.usedMmuPages;
      expect(yield* hart.store(vaOf(1), 1)).toMatchObject({ kind: 'value' });
      expect([...kvm.shadowPages]).toEqual(pages);
      expect(kvm.stats.mmu_recycled).toBe(0);
      // A page that is needed takes the place of another.
      expect(yield* hart.load(place!, PHYSICAL)).toEqual(value(dataAt(0)));
      expect(kvm.stats.mmu_recycled).toBeGreaterThan(0);
    });
  });

  it('that roots alone use up ends the run of who needs another page: -ENOSPC', () => {
    withGuest(function* (vm, hart) {
      const { kvm } = vm;
      const roots = framesOf([...kvm.shadowPages].filter(({ rootCount }) => rootCount > 0));
      (kvm as { maxMmuPages: number }).maxMmuPages = roots;
      yield* kvmMmuZapAll(kvm);
      expect(yield* hart.load(vaOf(0))).toEqual({ kind: 'errno', errno: Errno.ENOSPC });
      (kvm as { maxMmuPages: number }).maxMmuPages = 64;
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
    });
  });
});

describe('a host that has hardly any memory', () => {
  it('takes shadow pages back before it kills, those first that no hart used lately', () => {
    for (const mmu of ['shadow', 'tdp'] as const) {
      const vm = new TestVm({ mmu, ramPages: 20, frames: 96, swapSlots: 0 });
      const { host } = vm;
      vm.run({
        *'vcpu/0'() {
          const places = yield* scatterSlots(vm, 16, 2 * MEGAPAGE);
          const hart = new GuestHart(vm.kvm.vcpus[0]!);
          yield* hart.reset();
          for (const place of places) expect(yield* hart.load(place, PHYSICAL)).toEqual(value(dataAt(0)));
          const before = vm.kvm.usedMmuPages;
          expect(before).toBeGreaterThan(20);
          const taken: Pfn[] = [];
          while (vm.kvm.usedMmuPages > 10) {
            taken.push((yield* allocKernelPages(host, 0, 'kernel')) ?? bug('no memory'));
          }
          expect(host.vmstat.oom_kill).toBe(0);
          for (const pfn of taken) yield* freeKernelPages(host, pfn, 0);
          for (const place of places) expect(yield* hart.load(place, PHYSICAL)).toEqual(value(dataAt(0)));
        },
      });
      vm.finish();
    }
  });
});
