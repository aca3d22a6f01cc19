// KVM as a notifier client: range_start zaps exactly its range and flushes before it returns, ranges nest and overlap,
// the young calls age and no more, release ends it all (rules 22 to 31, 38, 40).

import { describe, expect, it } from 'vitest';
import { isShadowPresent, Request } from '../../src/kvm/internals.ts';
import { VcpuMode } from '../../src/kvm/vcpuMode.ts';
import {
  type MmuNotifierRange,
  MmuNotifyEvent,
  mmuNotifierClearFlushYoung,
  mmuNotifierClearYoung,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierInvalidateRangeStartNonblock,
  mmuNotifierTestYoung,
} from '../../src/notifier/index.ts';
import type { Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { DirectedPolicy, letIn, letInEverywhere } from '../support/directed.ts';
import { type GuestHart, value } from '../support/guestHart.ts';
import { PTE_A } from '../support/guestTables.ts';
import { bootPaged, dataAt, FIRST_DATA, makeTables, sptesOf, vaOf } from '../support/pagedGuest.ts';
import { bugOf } from '../support/tasks.ts';
import { TestVm, type TestVmOptions } from '../support/testVm.ts';

const MMUS = ['shadow', 'tdp'] as const;
const DATA_PAGES = 6;

function newVm(options: TestVmOptions): TestVm {
  return new TestVm({ ramPages: 16, ...options });
}

/** Runs `body` with a hart that has touched all data pages. */
function withGuest(vm: TestVm, body: (hart: GuestHart) => Steps): void {
  vm.run({
    *'vcpu/0'() {
      yield* makeTables(vm, DATA_PAGES);
      const hart = yield* bootPaged(vm);
      yield* touchAll(hart);
      yield* body(hart);
    },
  });
  vm.finish();
}

function* touchAll(hart: GuestHart): Steps {
  for (let i = 0; i < DATA_PAGES; i++) expect(yield* hart.load(vaOf(i))).toEqual(value(dataAt(i)));
}

const hvaOf = (vm: TestVm, index: number): Hva => vm.hvaOf(dataAt(index));

/** Of data pages [from, to). */
function rangeOf(vm: TestVm, from: number, to: number): MmuNotifierRange {
  const { mm } = vm;
  const event = MmuNotifyEvent.CLEAR;
  return { mm, start: hvaOf(vm, from), end: hvaOf(vm, to), event, blockable: true };
}

/** The data pages that some spte maps. */
const mapped = (vm: TestVm): number[] =>
  Array.from({ length: DATA_PAGES }, (_, i) => i).filter((i) =>
    sptesOf(vm, FIRST_DATA + i).some(isShadowPresent),
  );

/** Whether the hart's TLB holds a translation to data page `index`'s frame. */
function isInTlb(vm: TestVm, index: number): boolean {
  const address = vaOf(index);
  let found = false;
  vm.kvm.vcpus[0]!.hart.tlb.forEach((_regime, page) => {
    if (page === address) found = true;
  });
  return found;
}

/** What the invalidate sequence and the open ranges are; gfns from the first data page. */
function protocolState(vm: TestVm) {
  const { kvm } = vm;
  const base = kvm.mmuInvalidateInProgress > 0 ? vm.gfn(FIRST_DATA) : 0;
  return {
    seq: kvm.mmuInvalidateSeq,
    open: kvm.mmuInvalidateInProgress,
    active: kvm.mnActiveInvalidateCount,
    range: [kvm.mmuInvalidateRangeStart - base, kvm.mmuInvalidateRangeEnd - base],
  };
}

const closed = (seq: number) => ({ seq, open: 0, active: 0, range: [0, 0] });

describe.each(MMUS)('invalidate_range_start under %s', (mmu) => {
  it('zaps exactly the pages of the range', () => {
    const vm = newVm({ mmu });
    withGuest(vm, function* (hart) {
      const range = rangeOf(vm, 2, 4);
      yield* mmuNotifierInvalidateRangeStart(range);
      expect(mapped(vm)).toEqual([0, 1, 4, 5]);
      yield* mmuNotifierInvalidateRangeEnd(range);
      expect(mapped(vm)).toEqual([0, 1, 4, 5]);
      yield* touchAll(hart);
      expect(mapped(vm)).toEqual([0, 1, 2, 3, 4, 5]);
    });
  });

  it('zaps a page in all places where it is mapped', () => {
    const vm = newVm({ mmu });
    withGuest(vm, function* (hart) {
      // Untranslated as well as through the tables.
      yield* hart.load(dataAt(2), { privilege: 'M' });
      expect(sptesOf(vm, FIRST_DATA + 2)).toHaveLength(mmu === 'shadow' ? 2 : 1);
      const range = rangeOf(vm, 2, 3);
      yield* mmuNotifierInvalidateRangeStart(range);
      expect(sptesOf(vm, FIRST_DATA + 2)).toEqual([]);
      yield* mmuNotifierInvalidateRangeEnd(range);
    });
  });

  it('has every vCPU flush before it enters the guest again', () => {
    const vm = newVm({ mmu });
    withGuest(vm, function* (hart) {
      const { kvm } = vm;
      const vcpu = kvm.vcpus[0]!;
      const flushes = kvm.stats.remote_tlb_flush;
      const { tlb_flush, pf_taken } = vcpu.stats;
      expect(isInTlb(vm, 2)).toBe(true);
      const range = rangeOf(vm, 2, 3);
      yield* mmuNotifierInvalidateRangeStart(range);
      expect(kvm.stats.remote_tlb_flush).toBe(flushes + 1);
      expect(vcpu.requests & Request.tlbFlush).not.toBe(0);
      yield* mmuNotifierInvalidateRangeEnd(range);
      expect(yield* hart.load(vaOf(2))).toEqual(value(dataAt(2)));
      expect(vcpu.stats).toMatchObject({ tlb_flush: tlb_flush + 1, pf_taken: pf_taken + 1 });
    });
  });

  it('flushes nothing when it zapped nothing', () => {
    const vm = newVm({ mmu });
    withGuest(vm, function* () {
      const { stats } = vm.kvm;
      const range = rangeOf(vm, 2, 4);
      for (const flushes of [1, 0]) {
        const before = stats.remote_tlb_flush;
        yield* mmuNotifierInvalidateRangeStart(range);
        yield* mmuNotifierInvalidateRangeEnd(range);
        expect(stats.remote_tlb_flush - before).toBe(flushes);
      }
    });
  });

  it('may not block and does the same', () => {
    const vm = newVm({ mmu });
    withGuest(vm, function* () {
      const range = rangeOf(vm, 0, 2);
      expect(yield* mmuNotifierInvalidateRangeStartNonblock(range)).toBe(0);
      expect(mapped(vm)).toEqual([2, 3, 4, 5]);
      yield* mmuNotifierInvalidateRangeEnd(range);
    });
  });

  it('finds no vCPU in the guest when it returns, wherever it cuts in', () => {
    const policy = new DirectedPolicy();
    const vm = newVm({ mmu, policy, checkEvery: 5 });
    let hart: GuestHart;
    vm.run({
      *'vcpu/0'() {
        yield* makeTables(vm, DATA_PAGES);
        hart = yield* bootPaged(vm);
      },
    });
    const vcpu = vm.kvm.vcpus[0]!;
    let kicked = 0;
    const rounds = letInEverywhere(vm, policy, () => {
      vm.run({ 'vcpu/0': () => touchAll(hart) });
      const range = rangeOf(vm, 2, 3);
      return {
        main: {
          name: 'vcpu/0',
          *body() {
            expect(yield* hart.load(vaOf(2))).toEqual(value(dataAt(2)));
          },
        },
        other: {
          name: 'host',
          *body() {
            const wasInside = vcpu.mode === VcpuMode.inGuest;
            const kicks = vcpu.exits.kick ?? 0;
            yield* mmuNotifierInvalidateRangeStart(range);
            // In the guest it would still have the old translation, or it flushed when it went in.
            if (wasInside) expect(vcpu.exits.kick).toBe(kicks + 1);
            expect(isInTlb(vm, 2) && (vcpu.requests & Request.tlbFlush) === 0).toBe(false);
            kicked += Number(wasInside);
            yield* mmuNotifierInvalidateRangeEnd(range);
          },
        },
      };
    });
    expect(rounds).toBeGreaterThan(3);
    expect(kicked).toBeGreaterThan(0);
    vm.finish();
  });
});

describe('start and end', () => {
  it('bump the sequence once for each pair, and keep count of what is open', () => {
    const vm = newVm({});
    withGuest(vm, function* () {
      const [first, second] = [rangeOf(vm, 1, 2), rangeOf(vm, 4, 5)];
      const { mmuInvalidateSeq: seq } = vm.kvm;
      yield* mmuNotifierInvalidateRangeStart(first);
      expect(protocolState(vm)).toEqual({ seq, open: 1, active: 1, range: [1, 2] });
      yield* mmuNotifierInvalidateRangeStart(second);
      expect(protocolState(vm)).toEqual({ seq, open: 2, active: 2, range: [1, 5] });
      yield* mmuNotifierInvalidateRangeEnd(first);
      // The union never shrinks while something is open.
      expect(protocolState(vm)).toEqual({ seq: seq + 1, open: 1, active: 1, range: [1, 5] });
      yield* mmuNotifierInvalidateRangeEnd(second);
      expect(protocolState(vm)).toEqual(closed(seq + 2));
      yield* mmuNotifierInvalidateRangeStart(second);
      expect(protocolState(vm)).toMatchObject({ open: 1, range: [4, 5] });
      yield* mmuNotifierInvalidateRangeStart(first);
      expect(protocolState(vm)).toMatchObject({ open: 2, range: [1, 5] });
      for (const range of [second, first]) yield* mmuNotifierInvalidateRangeEnd(range);
      expect(protocolState(vm)).toEqual(closed(seq + 4));
    });
  });

  it('of the same range may nest', () => {
    const vm = newVm({});
    withGuest(vm, function* (hart) {
      const range = rangeOf(vm, 1, 3);
      const again = { ...range };
      const { mmuInvalidateSeq: seq } = vm.kvm;
      yield* mmuNotifierInvalidateRangeStart(range);
      yield* mmuNotifierInvalidateRangeStart(again);
      yield* mmuNotifierInvalidateRangeEnd(range);
      expect(protocolState(vm)).toEqual({ seq: seq + 1, open: 1, active: 1, range: [1, 3] });
      yield* mmuNotifierInvalidateRangeEnd(again);
      expect(protocolState(vm)).toEqual(closed(seq + 2));
      yield* touchAll(hart);
    });
  });

  it('that meet no memslot move neither sequence nor count', () => {
    const vm = newVm({});
    withGuest(vm, function* () {
      const { mm, kvm } = vm;
      const start = (vm.ram + vm.ramPages * PAGE_SIZE) as Hva;
      const end = (start + PAGE_SIZE) as Hva;
      const range = { mm, start, end, event: MmuNotifyEvent.UNMAP, blockable: true };
      const { mmuInvalidateSeq: seq } = kvm;
      yield* mmuNotifierInvalidateRangeStart(range);
      // Only a change of memslots would have to wait.
      expect(protocolState(vm)).toEqual({ seq, open: 0, active: 1, range: [0, 0] });
      yield* mmuNotifierInvalidateRangeEnd(range);
      expect(protocolState(vm)).toEqual(closed(seq));
    });
  });

  it('may reach beyond the memslots on both sides', () => {
    const vm = newVm({});
    withGuest(vm, function* () {
      const { mm, kvm } = vm;
      const start = (vm.ram - PAGE_SIZE) as Hva;
      const end = (vm.ram + (vm.ramPages + 1) * PAGE_SIZE) as Hva;
      const range = { mm, start, end, event: MmuNotifyEvent.UNMAP, blockable: true };
      yield* mmuNotifierInvalidateRangeStart(range);
      expect(protocolState(vm)).toMatchObject({ open: 1, range: [-FIRST_DATA, vm.ramPages - FIRST_DATA] });
      expect(kvm.stats.pages_4k).toBe(0);
      yield* mmuNotifierInvalidateRangeEnd(range);
    });
  });

  it('are a bug when an end comes without its start', () => {
    const vm = newVm({});
    const { ops } = vm.kvm.notifier!;
    const end = () =>
      vm.run({
        *host() {
          yield* ops.invalidateRangeEnd!(vm.kvm.notifier!, rangeOf(vm, 0, 1));
        },
      });
    expect(bugOf(end).message).toBe('invalidate_range_end without start');
  });
});

describe.each(MMUS)('ageing under %s', (mmu) => {
  const ageings = [
    ['clear_flush_young', mmuNotifierClearFlushYoung],
    ['clear_young', mmuNotifierClearYoung],
  ] as const;

  it.each(ageings)('by %s answers whether a page was used, and forgets it', (_, age) => {
    const vm = newVm({ mmu });
    withGuest(vm, function* (hart) {
      const [start, end] = [hvaOf(vm, 2), hvaOf(vm, 3)];
      const flushes = vm.kvm.stats.remote_tlb_flush;
      expect(yield* age(vm.mm, start, end)).toBe(true);
      expect(yield* age(vm.mm, start, end)).toBe(false);
      // Only its own: the neighbours are as young as before, and nothing was unmapped or flushed.
      expect(sptesOf(vm, FIRST_DATA + 1).map((spte) => spte & PTE_A)).toEqual([PTE_A]);
      expect(sptesOf(vm, FIRST_DATA + 3).map((spte) => spte & PTE_A)).toEqual([PTE_A]);
      expect(mapped(vm)).toHaveLength(DATA_PAGES);
      expect(vm.kvm.stats.remote_tlb_flush).toBe(flushes);
      // A use that hits the TLB is not seen; one that walks is.
      yield* hart.load(vaOf(2));
      expect(yield* age(vm.mm, start, end)).toBe(false);
      vm.kvm.vcpus[0]!.hart.flushAll();
      yield* hart.load(vaOf(2));
      expect(yield* age(vm.mm, start, end)).toBe(true);
    });
  });

  it.each(ageings)('by %s looks at all pages and all their mappings', (_, age) => {
    const vm = newVm({ mmu });
    withGuest(vm, function* (hart) {
      yield* hart.load(dataAt(2), { privilege: 'M' });
      expect(yield* age(vm.mm, hvaOf(vm, 1), hvaOf(vm, 4))).toBe(true);
      for (const index of [1, 2, 3])
        for (const spte of sptesOf(vm, FIRST_DATA + index)) expect(spte & PTE_A).toBe(0);
      for (const index of [0, 4])
        for (const spte of sptesOf(vm, FIRST_DATA + index)) expect(spte & PTE_A).toBe(PTE_A);
    });
  });

  it('by test_young answers and forgets nothing', () => {
    const vm = newVm({ mmu });
    withGuest(vm, function* () {
      const address = hvaOf(vm, 2);
      for (let i = 0; i < 2; i++) expect(yield* mmuNotifierTestYoung(vm.mm, address)).toBe(true);
      yield* mmuNotifierClearYoung(vm.mm, address, (address + PAGE_SIZE) as Hva);
      expect(yield* mmuNotifierTestYoung(vm.mm, address)).toBe(false);
      expect(yield* mmuNotifierTestYoung(vm.mm, hvaOf(vm, 3))).toBe(true);
    });
  });

  it('finds what is not mapped old', () => {
    const vm = newVm({ mmu });
    withGuest(vm, function* () {
      const range = rangeOf(vm, 2, 3);
      yield* mmuNotifierInvalidateRangeStart(range);
      yield* mmuNotifierInvalidateRangeEnd(range);
      expect(yield* mmuNotifierTestYoung(vm.mm, range.start)).toBe(false);
      expect(yield* mmuNotifierClearFlushYoung(vm.mm, range.start, range.end)).toBe(false);
    });
  });
});

describe.each(MMUS)('release under %s', (mmu) => {
  it('takes every translation away and lets no vCPU run again; twice is as once', () => {
    const vm = newVm({ mmu });
    withGuest(vm, function* (hart) {
      const { kvm } = vm;
      const { notifier } = kvm;
      for (let i = 0; i < 2; i++) {
        yield* notifier!.ops.release!(notifier!, vm.mm);
        expect(kvm.stats.pages_4k).toBe(0);
        expect(kvm.shadowPages.size).toBe(0);
        expect(yield* hart.load(vaOf(0))).toEqual({ kind: 'errno', errno: Errno.EIO });
      }
    });
  });

  it('leaves no translation behind, wherever it cuts into a first access', () => {
    const seen = new Set<string>();
    let wasThere = true;
    for (let place = 0; wasThere; place += 3) {
      const policy = new DirectedPolicy();
      const vm = newVm({ mmu, policy, checkEvery: 20 });
      const { notifier } = vm.kvm;
      vm.run({ boot: () => makeTables(vm, DATA_PAGES) });
      const load = function* (): Steps {
        // Roots and all: nothing is there yet.
        const hart = yield* bootPaged(vm);
        const outcome = yield* hart.load(vaOf(1));
        seen.add(outcome.kind);
        if (outcome.kind !== 'value') expect(outcome).toEqual({ kind: 'errno', errno: Errno.EIO });
      };
      const release = (): Steps => notifier!.ops.release!(notifier!, vm.mm);
      const cutsIn = (step: number): boolean => step === place;
      wasThere = letIn(vm, policy, { name: 'vcpu/0', body: load }, { name: 'host', body: release }, cutsIn);
      expect(vm.kvm.stats.pages_4k).toBe(0);
      vm.finish();
    }
    expect([...seen].sort()).toEqual(['errno', 'value']);
  });
});
