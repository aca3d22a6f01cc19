// What a hart may do without an exit: switch to a root that is known, valid and in sync with its fences, and fence
// while no table is unsync. Exits tell; afterwards the vCPU must have the root that the hart switched to.

import { describe, expect, it } from 'vitest';
import { GRANTED_ROOTS } from '../../src/hw/hart/index.ts';
import type { Vcpu } from '../../src/kvm/index.ts';
import { kvmMmuZapAll } from '../../src/kvm/zap.ts';
import type { Steps } from '../../src/sched/index.ts';
import { pfnToHpa } from '../../src/units.ts';
import { type GuestHart, value } from '../support/guestHart.ts';
import { entryAddress, entryFor, KERNEL_PAGE, PTE_V } from '../support/guestTables.ts';
import {
  bootPaged,
  clearPages,
  dataAt,
  makeTables,
  pageAt,
  setLeaf,
  shadowOf,
  TABLES,
  vaOf,
} from '../support/pagedGuest.ts';
import { TestVm } from '../support/testVm.ts';

const OTHER_PAGE = 4;
const [ROOT, OTHER] = [TABLES.root, pageAt(OTHER_PAGE)];
const [ASID, OTHER_ASID] = [1, 2];

/** Runs `body` with a hart that has used both roots, each with its ASID; the second last. */
function withTwoRoots(body: (vm: TestVm, hart: GuestHart, vcpu: Vcpu) => Steps): void {
  const vm = new TestVm({ ramPages: 30, checkEvery: 20 });
  vm.run({
    *'vcpu/0'() {
      yield* makeTables(vm, 4, KERNEL_PAGE);
      yield* clearPages(vm, OTHER_PAGE);
      yield* linkRoot(vm, OTHER);
      const hart = yield* bootPaged(vm);
      for (const [root, asid] of [
        [ROOT, ASID],
        [OTHER, OTHER_ASID],
      ] as const) {
        yield* hart.satp(root, asid);
        expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
      }
      yield* body(vm, hart, hart.vcpu);
    },
  });
  vm.finish();
}

/** One more root of the same tables. */
function* linkRoot(vm: TestVm, root: number): Steps {
  yield* vm.write64(entryAddress(root, vaOf(0), 2), entryFor(TABLES.middle, PTE_V));
}

/** How many exits for `kind` the steps take. */
function* exitsOf(vcpu: Vcpu, kind: 'satp' | 'sfence', steps: Steps): Steps<number> {
  const before = vcpu.exits[kind] ?? 0;
  yield* steps;
  return (vcpu.exits[kind] ?? 0) - before;
}

describe('a satp write', () => {
  it('takes no exit to a root that is known, which is the root of the vCPU then', () => {
    withTwoRoots(function* (vm, hart, vcpu) {
      const [root, other] = [shadowOf(vm, 1, 2)!, shadowOf(vm, OTHER_PAGE, 2)!];
      expect(vcpu.root === other).toBe(true);
      const counts = [root.rootCount, other.rootCount];
      expect(yield* exitsOf(vcpu, 'satp', hart.satp(ROOT, ASID))).toBe(0);
      expect(vcpu.root === root).toBe(true);
      expect(vcpu.hart.shadowRoot).toBe(pfnToHpa(root.spt));
      expect([root.rootCount, other.rootCount]).toEqual([counts[0]! + 1, counts[1]! - 1]);
      expect(yield* hart.load(vaOf(1))).toEqual(value(dataAt(1)));
    });
  });

  it('takes one where the ASID is another, which is another address space from then on', () => {
    withTwoRoots(function* (_vm, hart, vcpu) {
      expect(yield* exitsOf(vcpu, 'satp', hart.satp(ROOT, OTHER_ASID))).toBe(1);
      expect(yield* exitsOf(vcpu, 'satp', hart.satp(ROOT, ASID))).toBe(0);
      expect(yield* exitsOf(vcpu, 'satp', hart.satp(ROOT, OTHER_ASID))).toBe(0);
    });
  });

  it('takes one to a root that was zapped', () => {
    withTwoRoots(function* (vm, hart, vcpu) {
      yield* kvmMmuZapAll(vm.kvm);
      expect(yield* exitsOf(vcpu, 'satp', hart.satp(ROOT, ASID))).toBe(1);
      expect(yield* hart.load(vaOf(1))).toEqual(value(dataAt(1)));
    });
  });

  it('takes one where a fence came since that concerns it, and was not the hart alone to make', () => {
    withTwoRoots(function* (_vm, hart, vcpu) {
      yield* hart.satp(ROOT, ASID);
      yield* setLeaf(hart, 0, entryFor(dataAt(2), KERNEL_PAGE));
      yield* hart.fence(null, OTHER_ASID);
      expect(yield* exitsOf(vcpu, 'satp', hart.satp(OTHER, OTHER_ASID))).toBe(1);
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(2)));
      expect(yield* exitsOf(vcpu, 'satp', hart.satp(ROOT, ASID))).toBe(0);
    });
  });

  it('takes one to a root of long ago, whose place others have', () => {
    withTwoRoots(function* (vm, hart, vcpu) {
      for (let i = 0; i < GRANTED_ROOTS; i++) {
        yield* clearPages(vm, 20 + i);
        yield* linkRoot(vm, pageAt(20 + i));
        expect(yield* exitsOf(vcpu, 'satp', hart.satp(pageAt(20 + i), ASID))).toBe(1);
      }
      expect(yield* exitsOf(vcpu, 'satp', hart.satp(pageAt(20), ASID))).toBe(0);
      expect(yield* exitsOf(vcpu, 'satp', hart.satp(ROOT, ASID))).toBe(1);
    });
  });
});

describe('sfence.vma', () => {
  it('takes no exit while nothing is unsync, and one when a table is', () => {
    withTwoRoots(function* (vm, hart, vcpu) {
      expect(vm.kvm.stats.mmu_unsync).toBe(0);
      expect(yield* exitsOf(vcpu, 'sfence', hart.fence())).toBe(0);
      yield* setLeaf(hart, 0, entryFor(dataAt(2), KERNEL_PAGE));
      expect(vm.kvm.stats.mmu_unsync).toBe(1);
      expect(yield* exitsOf(vcpu, 'sfence', hart.fence())).toBe(1);
      expect(vm.kvm.stats.mmu_unsync).toBe(0);
      expect(yield* exitsOf(vcpu, 'sfence', hart.fence())).toBe(0);
      expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(2)));
    });
  });

  it('that took no exit leaves known roots in sync', () => {
    withTwoRoots(function* (_vm, hart, vcpu) {
      yield* hart.fence();
      expect(yield* exitsOf(vcpu, 'satp', hart.satp(ROOT, ASID))).toBe(0);
    });
  });
});
