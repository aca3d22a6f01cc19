// Walking a guest's tables for it: A and D of its entries, and that an entry which changes after it was read is not what
// gets installed.

import { describe, expect, it } from 'vitest';
import { isWritableSpte } from '../../src/kvm/internals.ts';
import { kvmMmuZapAll } from '../../src/kvm/zap.ts';
import type { Steps } from '../../src/sched/index.ts';
import { DirectedPolicy, letInEverywhere, type Round } from '../support/directed.ts';
import {
  GuestHart,
  type Mode,
  type Outcome,
  PHYSICAL,
  SUPERVISOR,
  trap,
  value,
} from '../support/guestHart.ts';
import {
  entryAddress,
  entryFor,
  KERNEL_PAGE,
  leafEntry,
  PTE_A,
  PTE_D,
  PTE_R,
  PTE_V,
  PTE_W,
  PTE_X,
} from '../support/guestTables.ts';
import {
  bootPaged,
  clearPages,
  dataAt,
  FIRST_DATA,
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

const MMUS = ['shadow', 'tdp'] as const;
const FETCH_PAGE_FAULT = 12;
const LOAD_PAGE_FAULT = 13;
const STORE_PAGE_FAULT = 15;
const ILLEGAL_INSTRUCTION = 2;
/** Never used, never written. */
const FRESH = PTE_V | PTE_R | PTE_W | PTE_X;
const LEAF = 3;
const ADUE = 1n << 61n;

function withGuest(
  body: (vm: TestVm, hart: GuestHart) => Steps,
  { flags = FRESH, ...options }: TestVmOptions & { readonly flags?: number } = {},
): void {
  const vm = new TestVm({ ramPages: 16, checkEvery: 20, ...options });
  vm.run({
    *'vcpu/0'() {
      yield* makeTables(vm, 4, flags);
      // What a jump lands on must trap at once.
      yield* clearPages(vm, FIRST_DATA + 3);
      yield* body(vm, yield* bootPaged(vm));
    },
  });
  vm.finish();
}

/** The flags of the entry of vaOf(index), as they lie in guest memory. */
function* flagsOf(vm: TestVm, index: number): Steps<number> {
  return Number(yield* vm.read64(leafEntry(TABLES, vaOf(index)))) % 1024;
}

describe.each(MMUS)('the A and D bits of a guest’s entry under %s', (mmu) => {
  it('are set by use, D by a store alone', () => {
    withGuest(
      function* (vm, hart) {
        expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
        expect(yield* flagsOf(vm, 0)).toBe(FRESH | PTE_A);
        expect(yield* hart.store(vaOf(0), 1)).toMatchObject({ kind: 'value' });
        expect(yield* flagsOf(vm, 0)).toBe(FRESH | PTE_A | PTE_D);
        expect(yield* hart.store(vaOf(1), 1)).toMatchObject({ kind: 'value' });
        expect(yield* flagsOf(vm, 1)).toBe(FRESH | PTE_A | PTE_D);
        expect(yield* hart.executeAt(vaOf(3))).toMatchObject({ cause: ILLEGAL_INSTRUCTION });
        expect(yield* flagsOf(vm, 3)).toBe(FRESH | PTE_A);
        expect(yield* flagsOf(vm, 2)).toBe(FRESH);
        // One fault each: the setting of its own bits is no change that a walk has to begin again for.
        expect(hart.vcpu.stats.pf_mmu_retry).toBe(0);
      },
      { mmu },
    );
  });

  it('are set by a store conditional and an AMO as by a store, by lr as by a load', () => {
    withGuest(
      function* (vm, hart) {
        yield* hart.load(vaOf(0), SUPERVISOR, 'lr_d');
        expect(yield* flagsOf(vm, 0)).toBe(FRESH | PTE_A);
        expect(yield* hart.store(vaOf(1), 1, SUPERVISOR, 'amoadd_d')).toEqual(value(dataAt(1)));
        expect(yield* flagsOf(vm, 1)).toBe(FRESH | PTE_A | PTE_D);
      },
      { mmu },
    );
  });

  it('stay as they are when the access is not permitted', () => {
    withGuest(
      function* (vm, hart) {
        expect(yield* hart.store(vaOf(0), 1)).toEqual(trap(STORE_PAGE_FAULT, vaOf(0)));
        expect(yield* hart.executeAt(vaOf(0))).toEqual(trap(FETCH_PAGE_FAULT, vaOf(0)));
        expect(yield* flagsOf(vm, 0)).toBe(PTE_V | PTE_R);
      },
      { mmu, flags: PTE_V | PTE_R },
    );
  });

  it('reach the swap device: setting one makes its table’s page dirty', () => {
    withGuest(
      function* (vm, hart) {
        for (const [access, expected] of [
          [() => hart.load(vaOf(0)), FRESH | PTE_A],
          [() => hart.store(vaOf(0), 1), FRESH | PTE_A | PTE_D],
        ] as const) {
          // Read back in by a load, the page is clean and has its copy in swap: without a D it would be dropped.
          yield* pageOut(vm, LEAF);
          yield* hart.load(leafEntry(TABLES, vaOf(3)), PHYSICAL);
          expect(yield* access()).toMatchObject({ kind: 'value' });
          yield* pageOut(vm, LEAF);
          expect(yield* flagsOf(vm, 0)).toBe(expected);
        }
      },
      { mmu },
    );
  });

  it.each([
    ['svade', false],
    ['svadu', false],
    ['svadu', true],
  ] as const)('fault when they are clear under %s, unless menvcfg.ADUE (%s)', (ad, adue) => {
    withGuest(
      function* (vm, hart) {
        if (adue) {
          hart.vcpu.hart.setX(12, Number(ADUE & 0xffff_ffffn), Number(ADUE >> 32n) | 0);
          yield* hart.execute('menvcfg');
        }
        const used = entryFor(dataAt(1), FRESH | PTE_A);
        yield* vm.write64(leafEntry(TABLES, vaOf(1)), used);
        const faults = (cause: number, va: number, outcome: Outcome): void => {
          if (adue) expect(outcome).toMatchObject({ kind: 'value' });
          else expect(outcome).toEqual(trap(cause, va));
        };
        faults(LOAD_PAGE_FAULT, vaOf(0), yield* hart.load(vaOf(0)));
        faults(STORE_PAGE_FAULT, vaOf(0), yield* hart.store(vaOf(0), 1));
        expect(yield* hart.load(vaOf(1))).toEqual(value(dataAt(1)));
        faults(STORE_PAGE_FAULT, vaOf(1), yield* hart.store(vaOf(1), 1));
        const both = FRESH | PTE_A | PTE_D;
        expect([yield* flagsOf(vm, 0), yield* flagsOf(vm, 1)]).toEqual(
          adue ? [both, both] : [FRESH, FRESH | PTE_A],
        );
      },
      { mmu, ad },
    );
  });
});

describe('the shadow of an entry', () => {
  it('is not writable before the entry’s D is set', () => {
    withGuest(function* (vm, hart) {
      // The host would permit it.
      yield* hart.store(dataAt(0) + 8, 1, PHYSICAL);
      expect(sptesOf(vm, FIRST_DATA).map(isWritableSpte)).toEqual([true]);
      yield* hart.load(vaOf(0));
      expect(sptesOf(vm, FIRST_DATA).map(isWritableSpte)).toEqual([true, false]);
      yield* hart.store(vaOf(0), 1);
      expect(sptesOf(vm, FIRST_DATA).map(isWritableSpte)).toEqual([true, true]);
    });
  });

  it('is there for reading and writing at once when the entry was used and written before', () => {
    withGuest(
      function* (vm, hart) {
        yield* vm.write64(dataAt(0) + 8, 1n);
        yield* hart.load(vaOf(0));
        expect(sptesOf(vm, FIRST_DATA).map(isWritableSpte)).toEqual([true]);
        const { pf_taken } = hart.vcpu.stats;
        yield* hart.store(vaOf(0), 1);
        expect(hart.vcpu.stats.pf_taken).toBe(pf_taken);
      },
      { flags: KERNEL_PAGE },
    );
  });

  it('stays when A or D is set: that zaps nothing and takes no table out of sync', () => {
    withGuest(function* (vm, hart) {
      yield* hart.load(vaOf(0));
      const leaf = shadowOf(vm, LEAF, 0);
      yield* hart.load(vaOf(1));
      yield* hart.store(vaOf(0), 1);
      expect(shadowOf(vm, LEAF, 0)).toBe(leaf);
      expect(leaf).toMatchObject({ unsync: false });
      expect(vm.kvm.stats).toMatchObject({ mmu_pte_write: 0, mmu_shadow_zapped: 0, mmu_unsync: 0 });
    });
  });

  /** Two harts; the second one changes an entry wherever it cuts into the first one's access. */
  function race(
    change: (second: GuestHart) => Steps,
    undo: (second: GuestHart) => Steps,
    access: Access,
  ): void {
    const policy = new DirectedPolicy();
    const vm = new TestVm({ harts: 2, ramPages: 16, policy, checkEvery: 10 });
    const [first, second] = vm.kvm.vcpus.map((vcpu) => new GuestHart(vcpu)) as [GuestHart, GuestHart];
    vm.run({
      *'vcpu/0'() {
        yield* makeTables(vm, 3, KERNEL_PAGE);
        // Another leaf table, and another middle table that leads there.
        yield* clearPages(vm, 4, 5);
        yield* vm.write64(entryAddress(pageAt(4), vaOf(0), 0), entryFor(dataAt(2), KERNEL_PAGE));
        yield* vm.write64(entryAddress(pageAt(5), vaOf(0), 1), entryFor(pageAt(4), PTE_V));
        for (const hart of [first, second]) yield* hart.reset();
        yield* first.satp(TABLES.root);
      },
    });
    const seen = new Set<string>();
    const prepare = (): Round => {
      vm.run({
        *'vcpu/1'() {
          yield* undo(second);
          // No table is shadowed, so none traps.
          yield* kvmMmuZapAll(vm.kvm);
        },
        *'vcpu/0'() {
          yield* first.fence();
        },
      });
      return {
        main: {
          name: 'vcpu/0',
          *body() {
            const outcome = yield* access.run(first);
            expect([access.before, access.after]).toContainEqual(outcome);
            seen.add(JSON.stringify(outcome));
          },
        },
        other: { name: 'vcpu/1', body: () => change(second) },
        verify() {
          vm.run({
            *'vcpu/0'() {
              yield* first.fence();
              expect(yield* access.run(first)).toEqual(access.after);
            },
          });
        },
      };
    };
    expect(letInEverywhere(vm, policy, prepare)).toBeGreaterThan(60);
    expect(seen.size).toBe(2);
    vm.finish();
  }

  interface Access {
    readonly run: (hart: GuestHart) => Steps<Outcome>;
    readonly before: Outcome;
    readonly after: Outcome;
  }

  const loads = (mode: Mode = SUPERVISOR): Access => ({
    run: (hart) => hart.load(vaOf(0), mode),
    before: value(dataAt(0)),
    after: value(dataAt(2)),
  });

  it('is not made from a leaf entry that changed since it was read, wherever that happened', () => {
    race(
      (hart) => setLeaf(hart, 0, entryFor(dataAt(2), KERNEL_PAGE)),
      (hart) => setLeaf(hart, 0, entryFor(dataAt(0), KERNEL_PAGE)),
      loads(),
    );
  });

  it.each([
    ['middle', entryAddress(TABLES.middle, vaOf(0), 1), TABLES.leaf, pageAt(4)],
    ['root', entryAddress(TABLES.root, vaOf(0), 2), TABLES.middle, pageAt(5)],
  ])(
    'is not made below a %s entry that changed since it was read, wherever that happened',
    (_, at, from, to) => {
      race(
        (hart) => hart.store64(at, entryFor(to, PTE_V)) as Steps<never>,
        (hart) => hart.store64(at, entryFor(from, PTE_V)) as Steps<never>,
        loads(),
      );
    },
  );

  it('is not made for an entry that went, wherever that happened', () => {
    race(
      (hart) => setLeaf(hart, 0, 0n),
      (hart) => setLeaf(hart, 0, entryFor(dataAt(0), KERNEL_PAGE)),
      { ...loads(), after: trap(LOAD_PAGE_FAULT, vaOf(0)) },
    );
  });

  it('never loses a D that is set while another hart writes the entry', () => {
    const policy = new DirectedPolicy();
    const vm = new TestVm({ harts: 2, ramPages: 16, policy, checkEvery: 10 });
    const [first, second] = vm.kvm.vcpus.map((vcpu) => new GuestHart(vcpu)) as [GuestHart, GuestHart];
    vm.run({
      *'vcpu/0'() {
        yield* makeTables(vm, 3, KERNEL_PAGE);
        for (const hart of [first, second]) yield* hart.reset();
        yield* first.satp(TABLES.root);
      },
    });
    const used = entryFor(dataAt(0), FRESH | PTE_A);
    const rounds = letInEverywhere(vm, policy, () => {
      vm.run({
        *'vcpu/0'() {
          yield* setLeaf(first, 0, used);
          yield* first.fence();
        },
      });
      let seen: Outcome;
      return {
        main: { name: 'vcpu/0', body: () => first.store(vaOf(0), 1) as Steps<never> },
        other: {
          name: 'vcpu/1',
          *body() {
            // An atomic that leaves the entry as it is: it and the setting of D must not undo each other.
            seen = yield* second.store(leafEntry(TABLES, vaOf(0)), 0, PHYSICAL, 'amoadd_d');
          },
        },
        verify() {
          const both = value(Number(used | BigInt(PTE_D)));
          expect([value(Number(used)), both]).toContainEqual(seen);
          vm.run({
            *'vcpu/1'() {
              expect(yield* second.load(leafEntry(TABLES, vaOf(0)), PHYSICAL)).toEqual(both);
            },
          });
        },
      };
    });
    expect(rounds).toBeGreaterThan(20);
    vm.finish();
  });
});
