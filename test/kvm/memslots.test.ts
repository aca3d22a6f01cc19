// KVM_SET_USER_MEMORY_REGION: its errors in Linux's order, and what creating, moving and deleting a slot does to a guest
// that runs, to notifier ranges that are open, and to faults under way.

import { describe, expect, it } from 'vitest';
import {
  KVM_MEM_READONLY,
  kvmSetMemoryRegion,
  trackWrites,
  type UserMemoryRegion,
  vcpuRun,
} from '../../src/kvm/index.ts';
import { MAP_FIXED, mmapAnonymous, munmap, PROT_READ, PROT_WRITE } from '../../src/mm/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
} from '../../src/notifier/index.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { Errno, type Gfn, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { DirectedPolicy, letInEverywhere } from '../support/directed.ts';
import { GuestHart, type Outcome, PHYSICAL, trap, value } from '../support/guestHart.ts';
import { entryAddress, entryFor, KERNEL_PAGE, PTE_R, PTE_V, PTE_W } from '../support/guestTables.ts';
import { bootPaged, dataAt, makeTables, pageAt, sptesOf, TABLES, vaOf } from '../support/pagedGuest.ts';
import { RAM, TestVm, type TestVmOptions } from '../support/testVm.ts';

const PAGES = 12;
const RAM_BYTES = PAGES * PAGE_SIZE;
/** Where a second slot goes in most tests. */
const SECOND = RAM + 0x100_0000;
const LOAD_ACCESS_FAULT = 5;
const STORE_ACCESS_FAULT = 7;

const MMUS = ['shadow', 'tdp'] as const;

function newVm(options: TestVmOptions = {}): TestVm {
  return new TestVm({ ramPages: PAGES, ...options });
}

/** A process mapping of `pages` pages. */
function* mapMemory(vm: TestVm, pages: number): Steps<Hva> {
  return (yield* mmapAnonymous(vm.mm, 0, pages * PAGE_SIZE, PROT_READ | PROT_WRITE, 0)) as Hva;
}

/** The errno of setting `region` in a VM that has its RAM; 0: none. */
function errnoOf(region: Partial<UserMemoryRegion>): number {
  const vm = newVm({ filled: false });
  let error = 0;
  vm.run({
    *vmm() {
      const userspaceAddr = yield* mapMemory(vm, 4);
      const fine = { slot: 1, flags: 0, guestPhysAddr: SECOND, memorySize: 4 * PAGE_SIZE, userspaceAddr };
      const before = vm.kvm.memslots;
      error = yield* kvmSetMemoryRegion(vm.kvm, { ...fine, ...region });
      if (error !== 0) expect(vm.kvm.memslots).toBe(before);
    },
  });
  vm.finish();
  return Math.abs(error);
}

describe('the errors of KVM_SET_USER_MEMORY_REGION', () => {
  it('are none for a region that is well formed', () => {
    expect(errnoOf({})).toBe(0);
    expect(errnoOf({ slot: 511 })).toBe(0);
    expect(errnoOf({ flags: KVM_MEM_READONLY })).toBe(0);
    expect(errnoOf({ guestPhysAddr: 0 })).toBe(0);
  });

  it.each<[string, Partial<UserMemoryRegion>]>([
    ['an unknown flag', { flags: 1 }],
    ['a flag beside a known one', { flags: KVM_MEM_READONLY | 4 }],
    ['a size that is no number of pages', { memorySize: PAGE_SIZE + 1 }],
    ['a negative size', { memorySize: -PAGE_SIZE }],
    ['an unaligned guest physical address', { guestPhysAddr: SECOND + 8 }],
    ['a negative guest physical address', { guestPhysAddr: -PAGE_SIZE }],
    ['an unaligned hva', { userspaceAddr: 0x1_0001 }],
    ['an hva of the kernel', { userspaceAddr: -0x1_0000 }],
    ['an end beyond user space', { userspaceAddr: 2 ** 38 - PAGE_SIZE }],
    ['more pages than a slot may have', { userspaceAddr: 0, memorySize: 2 ** 31 * PAGE_SIZE }],
    ['a slot id that is too large', { slot: 512 }],
    ['a negative slot id', { slot: -1 }],
    ['a slot id that is no integer', { slot: 0.5 }],
    ['the deletion of a slot that is not there', { memorySize: 0 }],
    ['another size for a slot', { slot: 0, guestPhysAddr: RAM }],
  ])('are EINVAL for %s', (_, region) => {
    expect(errnoOf(region)).toBe(Errno.EINVAL);
  });

  it.each<[string, Partial<UserMemoryRegion>]>([
    ['in front', { guestPhysAddr: RAM - 3 * PAGE_SIZE }],
    ['inside', { guestPhysAddr: RAM + PAGE_SIZE }],
    ['at the end', { guestPhysAddr: RAM + RAM_BYTES - PAGE_SIZE }],
    ['all over', { guestPhysAddr: RAM - PAGE_SIZE, memorySize: RAM_BYTES + 2 * PAGE_SIZE }],
  ])('are EEXIST for an overlap %s', (_, region) => {
    expect(errnoOf(region)).toBe(Errno.EEXIST);
  });

  it('are none for neighbours', () => {
    expect(errnoOf({ guestPhysAddr: RAM - 4 * PAGE_SIZE })).toBe(0);
    expect(errnoOf({ guestPhysAddr: RAM + RAM_BYTES })).toBe(0);
  });

  it('are EFAULT beyond what Sv39x4 can address; the last page is not for guests, as in Linux', () => {
    expect(errnoOf({ guestPhysAddr: 2 ** 41 - 5 * PAGE_SIZE })).toBe(0);
    expect(errnoOf({ guestPhysAddr: 2 ** 41 - 4 * PAGE_SIZE })).toBe(Errno.EFAULT);
    expect(errnoOf({ guestPhysAddr: 2 ** 41 - PAGE_SIZE })).toBe(Errno.EFAULT);
    expect(errnoOf({ guestPhysAddr: 2 ** 50 })).toBe(Errno.EFAULT);
  });

  it('are EPERM for a writable slot over memory that the process may not write', () => {
    const vm = newVm({ filled: false });
    vm.run({
      *vmm() {
        const { kvm } = vm;
        const writable = yield* mapMemory(vm, 2);
        const all = { slot: 1, flags: 0, guestPhysAddr: SECOND, memorySize: 2 * PAGE_SIZE };
        expect(
          yield* mmapAnonymous(vm.mm, (writable + PAGE_SIZE) as Hva, PAGE_SIZE, PROT_READ, MAP_FIXED),
        ).toBe(writable + PAGE_SIZE);
        const region = { ...all, userspaceAddr: writable };
        expect(yield* kvmSetMemoryRegion(kvm, region)).toBe(-Errno.EPERM);
        expect(yield* kvmSetMemoryRegion(kvm, { ...region, memorySize: PAGE_SIZE })).toBe(0);
        expect(yield* kvmSetMemoryRegion(kvm, { ...region, slot: 2, guestPhysAddr: 0, flags: 2 })).toBe(0);
      },
    });
    vm.finish();
  });

  it('are about a slot of that id for changes of hva, size and flags, whatever else is wrong', () => {
    const vm = newVm({ filled: false });
    vm.run({
      *vmm() {
        const { kvm } = vm;
        const userspaceAddr = yield* mapMemory(vm, 4);
        const second = { slot: 1, flags: 0, guestPhysAddr: SECOND, memorySize: 2 * PAGE_SIZE, userspaceAddr };
        expect(yield* kvmSetMemoryRegion(kvm, second)).toBe(0);
        const set = (changes: Partial<UserMemoryRegion>): Steps<number> =>
          kvmSetMemoryRegion(kvm, { ...second, ...changes });
        expect(yield* set({ userspaceAddr: userspaceAddr + PAGE_SIZE })).toBe(-Errno.EINVAL);
        expect(yield* set({ flags: KVM_MEM_READONLY })).toBe(-Errno.EINVAL);
        expect(yield* set({ memorySize: PAGE_SIZE })).toBe(-Errno.EINVAL);
        expect(yield* set({ guestPhysAddr: RAM, memorySize: PAGE_SIZE })).toBe(-Errno.EINVAL);
        // A move may overlap its own old place, and nothing else.
        expect(yield* set({ guestPhysAddr: RAM + PAGE_SIZE })).toBe(-Errno.EEXIST);
        expect(yield* set({ guestPhysAddr: SECOND + PAGE_SIZE })).toBe(0);
        expect(yield* set({ guestPhysAddr: 2 ** 41 })).toBe(-Errno.EFAULT);
      },
    });
    vm.finish();
  });
});

/** Loads the word at `gpa`, untranslated. */
const loadAt = (hart: GuestHart, gpa: number): Steps<Outcome> => hart.load(gpa, PHYSICAL);

const mmioRead = (gpa: number): Outcome => ({ kind: 'mmio', gpa, isWrite: false, data: 0 });

/** A VM with a second slot of two pages, each of which begins with its number in the slot, from 1. */
function* secondSlot(vm: TestVm, guestPhysAddr = SECOND, flags = 0): Steps<UserMemoryRegion> {
  const userspaceAddr = yield* mapMemory(vm, 2);
  const region = { slot: 1, flags, guestPhysAddr, memorySize: 2 * PAGE_SIZE, userspaceAddr };
  expect(yield* kvmSetMemoryRegion(vm.kvm, region)).toBe(0);
  for (const page of [0, 1]) yield* vm.write64(viaRam(vm, region) + page * PAGE_SIZE, BigInt(page + 1));
  return region;
}

/** Where TestVm.write() would have to write to reach the slot's memory. */
const viaRam = (vm: TestVm, { userspaceAddr }: UserMemoryRegion): number => RAM + (userspaceAddr - vm.ram);

describe.each(MMUS)('a slot under %s', (mmu) => {
  it('stays, with all that is mapped through it, when it is set again as it is', () => {
    const vm = newVm({ mmu });
    vm.run({
      *'vcpu/0'() {
        const hart = new GuestHart(vm.kvm.vcpus[0]!);
        yield* hart.reset();
        yield* loadAt(hart, pageAt(5));
        const { memslots, stats } = vm.kvm;
        const { pages_4k, mmu_shadow_zapped } = stats;
        expect(yield* kvmSetMemoryRegion(vm.kvm, vm.ramRegion)).toBe(0);
        expect(vm.kvm.memslots).toBe(memslots);
        expect(stats).toMatchObject({ pages_4k, mmu_shadow_zapped });
      },
    });
    vm.finish();
  });

  it('gives way to MMIO when it is deleted, and has its contents back when it is made again', () => {
    const vm = newVm({ mmu });
    vm.run({
      *'vcpu/0'() {
        const { kvm } = vm;
        const region = yield* secondSlot(vm);
        const hart = new GuestHart(kvm.vcpus[0]!);
        yield* hart.reset();
        expect(yield* loadAt(hart, SECOND + PAGE_SIZE)).toEqual(value(2));
        expect(yield* hart.store(SECOND, 77, PHYSICAL)).toMatchObject({ kind: 'value' });
        expect(yield* kvmSetMemoryRegion(kvm, { ...region, memorySize: 0 })).toBe(0);
        expect(kvm.memslots.map(({ id }) => id)).toEqual([0]);
        expect(kvm.stats.pages_4k).toBe(0);
        expect(yield* loadAt(hart, SECOND)).toEqual(mmioRead(SECOND));
        yield* hart.complete();
        expect(yield* kvmSetMemoryRegion(kvm, region)).toBe(0);
        expect(yield* loadAt(hart, SECOND)).toEqual(value(77));
        expect(yield* loadAt(hart, SECOND + PAGE_SIZE)).toEqual(value(2));
      },
    });
    vm.finish();
  });

  it('takes its memory along when it moves', () => {
    const vm = newVm({ mmu });
    vm.run({
      *'vcpu/0'() {
        const { kvm } = vm;
        const region = yield* secondSlot(vm);
        const hart = new GuestHart(kvm.vcpus[0]!);
        yield* hart.reset();
        expect(yield* loadAt(hart, SECOND)).toEqual(value(1));
        const moved = { ...region, guestPhysAddr: SECOND + PAGE_SIZE };
        expect(yield* kvmSetMemoryRegion(kvm, moved)).toBe(0);
        expect(yield* loadAt(hart, SECOND)).toEqual(mmioRead(SECOND));
        yield* hart.complete();
        expect(yield* loadAt(hart, SECOND + PAGE_SIZE)).toEqual(value(1));
        expect(yield* loadAt(hart, SECOND + 2 * PAGE_SIZE)).toEqual(value(2));
      },
    });
    vm.finish();
  });

  it('that held the guest’s tables leaves the guest with access faults', () => {
    const vm = newVm({ mmu });
    vm.run({
      *'vcpu/0'() {
        const { kvm } = vm;
        yield* makeTables(vm, 2);
        const region = yield* secondSlot(vm);
        yield* vm.write64(entryAddress(viaRam(vm, region), vaOf(0), 2), entryFor(TABLES.middle, PTE_V));
        const hart = yield* bootPaged(vm, 0, SECOND);
        expect(yield* hart.load(vaOf(1))).toEqual(value(dataAt(1)));
        expect(yield* kvmSetMemoryRegion(kvm, { ...region, memorySize: 0 })).toBe(0);
        expect(yield* hart.load(vaOf(1))).toEqual(trap(LOAD_ACCESS_FAULT, vaOf(1)));
        expect(yield* hart.store(vaOf(0), 1)).toEqual(trap(STORE_ACCESS_FAULT, vaOf(0)));
        expect(yield* kvmSetMemoryRegion(kvm, region)).toBe(0);
        expect(yield* hart.load(vaOf(1))).toEqual(value(dataAt(1)));
      },
    });
    vm.finish();
  });

  it('over nothing is accepted, and shows as EFAULT of KVM_RUN until something is mapped there', () => {
    const vm = newVm({ mmu });
    vm.run({
      *'vcpu/0'() {
        const userspaceAddr = yield* mapMemory(vm, 2);
        expect(yield* munmap(vm.mm, userspaceAddr, 2 * PAGE_SIZE)).toBe(0);
        const region = { slot: 1, flags: 0, guestPhysAddr: SECOND, memorySize: 2 * PAGE_SIZE, userspaceAddr };
        expect(yield* kvmSetMemoryRegion(vm.kvm, region)).toBe(0);
        const vcpu = vm.kvm.vcpus[0]!;
        const hart = new GuestHart(vcpu);
        yield* hart.reset();
        expect(yield* loadAt(hart, SECOND + 8)).toEqual({ kind: 'errno', errno: Errno.EFAULT });
        expect(vcpu.run).toMatchObject({ exitReason: 'memory_fault', memoryFault: { gpa: SECOND + 8 } });
        yield* mmapAnonymous(vm.mm, userspaceAddr, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_FIXED);
        // The instruction was not executed: KVM_RUN tries it again.
        expect(yield* hart.complete()).toEqual(value(0));
        expect(yield* munmap(vm.mm, userspaceAddr, PAGE_SIZE)).toBe(0);
        expect(yield* loadAt(hart, SECOND)).toEqual({ kind: 'errno', errno: Errno.EFAULT });
        expect(yield* loadAt(hart, SECOND + PAGE_SIZE)).toEqual(value(0));
      },
    });
    vm.finish();
  });

  it('that is read-only lets stores out as MMIO and never has a writable spte', () => {
    const vm = newVm({ mmu });
    vm.run({
      *'vcpu/0'() {
        yield* secondSlot(vm, SECOND, KVM_MEM_READONLY);
        const hart = new GuestHart(vm.kvm.vcpus[0]!);
        yield* hart.reset();
        expect(yield* loadAt(hart, SECOND)).toEqual(value(1));
        const written = { kind: 'mmio', gpa: SECOND, isWrite: true, data: 99 };
        expect(yield* hart.store(SECOND, 99, PHYSICAL)).toEqual(written);
        yield* hart.complete();
        expect(yield* loadAt(hart, SECOND)).toEqual(value(1));
        expect(yield* hart.store(SECOND, 1, PHYSICAL, 'amoadd_d')).toEqual(trap(STORE_ACCESS_FAULT, SECOND));
        const slot = vm.kvm.memslots.find(({ id }) => id === 1)!;
        const [sptep, ...others] = slot.rmap.sptesOf(slot.baseGfn);
        expect(others).toEqual([]);
        expect(vm.host.memory.i32[sptep! >>> 2]! & (PTE_V | PTE_R | PTE_W)).toBe(PTE_V | PTE_R);
      },
    });
    vm.finish();
  });

  it('may share its memory with another, and a notifier finds both', () => {
    const vm = newVm({ mmu });
    vm.run({
      *'vcpu/0'() {
        const first = yield* secondSlot(vm);
        const second = { ...first, slot: 2, guestPhysAddr: SECOND + 0x10_0000 };
        expect(yield* kvmSetMemoryRegion(vm.kvm, second)).toBe(0);
        const hart = new GuestHart(vm.kvm.vcpus[0]!);
        yield* hart.reset();
        expect(yield* hart.store(SECOND, 5, PHYSICAL)).toMatchObject({ kind: 'value' });
        expect(yield* loadAt(hart, second.guestPhysAddr)).toEqual(value(5));
        yield* munmap(vm.mm, first.userspaceAddr as Hva, PAGE_SIZE);
        for (const { id, rmap, baseGfn } of vm.kvm.memslots)
          if (id > 0) expect(rmap.sptesOf(baseGfn)).toEqual([]);
        expect(yield* loadAt(hart, second.guestPhysAddr)).toEqual({ kind: 'errno', errno: Errno.EFAULT });
      },
    });
    vm.finish();
  });
});

describe('the changing of slots while others are at work', () => {
  it('waits until no notifier range is open, so that start and end see the same slots', () => {
    const vm = newVm({ filled: false });
    const { kvm, mm } = vm;
    let deleted = false;
    vm.run({
      *host() {
        const region = yield* secondSlot(vm);
        const range = {
          mm,
          start: region.userspaceAddr as Hva,
          end: (region.userspaceAddr + PAGE_SIZE) as Hva,
          event: MmuNotifyEvent.CLEAR,
          blockable: true,
        };
        yield* mmuNotifierInvalidateRangeStart(range);
        vm.sched.spawn(
          'vmm',
          (function* () {
            expect(yield* kvmSetMemoryRegion(kvm, { ...region, memorySize: 0 })).toBe(0);
            deleted = true;
          })(),
        );
        for (let i = 0; i < 50; i++) yield RESCHED;
        expect(kvm.memslots.map(({ invalid }) => invalid)).toEqual([false, false]);
        expect(kvm.mmuInvalidateInProgress).toBe(1);
        yield* mmuNotifierInvalidateRangeEnd(range);
        expect(kvm.mmuInvalidateInProgress).toBe(0);
        for (let i = 0; i < 50 && !deleted; i++) yield RESCHED;
        expect(deleted).toBe(true);
      },
    });
    vm.finish();
  });

  it.each(MMUS)('lets a load see the old place, or MMIO, wherever the move cuts in (%s)', (mmu) => {
    const policy = new DirectedPolicy();
    const vm = newVm({ mmu, policy, checkEvery: 5 });
    const hart = new GuestHart(vm.kvm.vcpus[0]!);
    const places = [SECOND, SECOND + 0x20_0000];
    let region: UserMemoryRegion;
    vm.run({
      *'vcpu/0'() {
        region = yield* secondSlot(vm);
        yield* hart.reset();
      },
    });
    const seen = new Set<string>();
    let turn = 0;
    const rounds = letInEverywhere(vm, policy, () => {
      const [from, to] = turn++ % 2 === 0 ? places : [places[1], places[0]];
      return {
        main: {
          name: 'vcpu/0',
          *body() {
            const outcome = yield* loadAt(hart, from!);
            seen.add(outcome.kind);
            if (outcome.kind === 'mmio') yield* hart.complete();
            else expect(outcome).toEqual(value(1));
          },
        },
        other: {
          name: 'vmm',
          *body() {
            expect(yield* kvmSetMemoryRegion(vm.kvm, { ...region, guestPhysAddr: to! })).toBe(0);
          },
        },
        verify() {
          expect(sptesOf(vm, (from! - RAM) / PAGE_SIZE)).toEqual([]);
          vm.run({
            *'vcpu/0'() {
              // Its neighbour: the page itself must miss in the next round.
              expect(yield* loadAt(hart, to! + PAGE_SIZE)).toEqual(value(2));
            },
          });
        },
      };
    });
    expect(rounds).toBeGreaterThan(25);
    expect([...seen].sort()).toEqual(['mmio', 'value']);
    vm.finish();
  });

  it.each(MMUS)('leaves nothing mapped at the old place, wherever a load cuts in (%s)', (mmu) => {
    const policy = new DirectedPolicy();
    const vm = newVm({ mmu, policy, checkEvery: 5 });
    const hart = new GuestHart(vm.kvm.vcpus[0]!);
    let region: UserMemoryRegion;
    vm.run({
      *'vcpu/0'() {
        region = yield* secondSlot(vm);
        yield* hart.reset();
      },
    });
    const seen = new Set<string>();
    const rounds = letInEverywhere(vm, policy, () => {
      const [from, to] = [region.guestPhysAddr, 2 * SECOND + 0x20_0000 - region.guestPhysAddr];
      return {
        main: {
          name: 'vmm',
          *body() {
            expect(yield* kvmSetMemoryRegion(vm.kvm, { ...region, guestPhysAddr: to })).toBe(0);
          },
        },
        other: {
          name: 'vcpu/0',
          *body() {
            const outcome = yield* loadAt(hart, from);
            seen.add(outcome.kind);
            if (outcome.kind === 'mmio') yield* hart.complete();
            else expect(outcome).toEqual(value(1));
          },
        },
        verify() {
          region = { ...region, guestPhysAddr: to };
          vm.run({
            *'vcpu/0'() {
              expect(yield* loadAt(hart, from)).toEqual(mmioRead(from));
              yield* hart.complete();
            },
          });
        },
      };
    });
    expect(rounds).toBeGreaterThan(20);
    expect([...seen].sort()).toEqual(['mmio', 'value']);
    vm.finish();
  });

  it.each(MMUS)('has an emulated store done before it returns, or not at all (%s)', (mmu) => {
    const policy = new DirectedPolicy();
    const vm = newVm({ mmu, policy, checkEvery: 5 });
    const hart = new GuestHart(vm.kvm.vcpus[0]!);
    let region: UserMemoryRegion;
    vm.run({
      *'vcpu/0'() {
        region = yield* secondSlot(vm);
        yield* hart.reset();
      },
    });
    const seen = new Set<string>();
    let data = 10;
    const rounds = letInEverywhere(vm, policy, () => {
      vm.run({
        *vmm() {
          if (vm.kvm.memslots.length === 1) expect(yield* kvmSetMemoryRegion(vm.kvm, region)).toBe(0);
          yield* trackWrites(vm.kvm, (SECOND / PAGE_SIZE) as Gfn);
        },
      });
      data++;
      let left = 0n;
      return {
        main: {
          name: 'vcpu/0',
          *body() {
            const outcome = yield* hart.store(SECOND, data, PHYSICAL);
            seen.add(outcome.kind);
            if (outcome.kind === 'mmio') yield* hart.complete();
          },
        },
        other: {
          name: 'vmm',
          *body() {
            expect(yield* kvmSetMemoryRegion(vm.kvm, { ...region, memorySize: 0 })).toBe(0);
            left = yield* vm.read64(viaRam(vm, region));
          },
        },
        verify() {
          vm.run({
            *vmm() {
              expect(yield* vm.read64(viaRam(vm, region))).toBe(left);
            },
          });
        },
      };
    });
    expect(rounds).toBeGreaterThan(10);
    expect([...seen].sort()).toEqual(['mmio', 'value']);
    vm.finish();
  });

  it.each([
    ['leaf table', 'the deletion into an access'],
    ['root', 'the deletion into an access'],
    ['leaf table', 'an access into the deletion'],
    ['root', 'an access into the deletion'],
  ])('never shadows a %s in a slot that goes, wherever %s cuts', (table, cuts) => {
    const policy = new DirectedPolicy();
    const vm = newVm({ policy, checkEvery: 5 });
    const root = table === 'root' ? SECOND : TABLES.root;
    let hart: GuestHart;
    let region: UserMemoryRegion;
    const seen = new Set<string>();
    const rounds = letInEverywhere(vm, policy, () => {
      vm.run({
        *'vcpu/0'() {
          const { kvm } = vm;
          region ??= yield* secondSlot(vm);
          if (kvm.memslots.length === 1) expect(yield* kvmSetMemoryRegion(kvm, region)).toBe(0);
          yield* makeTables(vm, 2);
          const here = viaRam(vm, region);
          if (table === 'root') yield* vm.write64(here, entryFor(TABLES.middle, PTE_V));
          else {
            yield* vm.write64(entryAddress(here, vaOf(0), 0), entryFor(dataAt(0), KERNEL_PAGE));
            yield* vm.write64(entryAddress(TABLES.middle, vaOf(0), 1), entryFor(SECOND, PTE_V));
          }
          hart = yield* bootPaged(vm, 0, null);
        },
      });
      const access = {
        name: 'vcpu/0',
        *body(): Steps {
          yield* hart.satp(root);
          const outcome = yield* hart.load(vaOf(0));
          seen.add(outcome.kind);
          if (outcome.kind === 'trap') expect(outcome).toEqual(trap(LOAD_ACCESS_FAULT, vaOf(0)));
          else expect(outcome).toEqual(value(dataAt(0)));
        },
      };
      const deletion = {
        name: 'vmm',
        *body(): Steps {
          expect(yield* kvmSetMemoryRegion(vm.kvm, { ...region, memorySize: 0 })).toBe(0);
        },
      };
      const isCut = cuts.startsWith('the deletion');
      return {
        main: isCut ? access : deletion,
        other: isCut ? deletion : access,
        verify() {
          const secondGfn = SECOND / PAGE_SIZE;
          expect([...vm.kvm.pagesOfGfn.keys()].filter((gfn) => gfn >= secondGfn)).toEqual([]);
        },
      };
    });
    expect(rounds).toBeGreaterThan(20);
    expect([...seen].sort()).toEqual(['trap', 'value']);
    vm.finish();
  });
});

describe('KVM_RUN', () => {
  it('goes on after a memory fault as if it had not been', () => {
    const vm = newVm();
    vm.run({
      *'vcpu/0'() {
        const vcpu = vm.kvm.vcpus[0]!;
        const hart = new GuestHart(vcpu);
        yield* hart.reset();
        yield* munmap(vm.mm, vm.hvaOf(pageAt(5)), PAGE_SIZE);
        expect(yield* loadAt(hart, pageAt(5))).toEqual({ kind: 'errno', errno: Errno.EFAULT });
        expect(yield* vcpuRun(vcpu, 1)).toBe(-Errno.EFAULT);
        expect(yield* loadAt(hart, pageAt(6))).toEqual(value(pageAt(6)));
        expect(vcpu.run.errno).toBe(0);
      },
    });
    vm.finish();
  });
});
