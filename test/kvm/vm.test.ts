// The life of a VM: what createVm refuses, that destroyVm and the end of the process may come in either order, and either
// of them in the middle of what a notifier is at.

import { describe, expect, it } from 'vitest';
import { createVm, destroyVm, kvmSetMemoryRegion } from '../../src/kvm/index.ts';
import { exitMm, MADV_DONTNEED, madvise } from '../../src/mm/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
} from '../../src/notifier/index.ts';
import { randomPolicy, type Steps } from '../../src/sched/index.ts';
import { Errno, type Hva, PAGE_SIZE } from '../../src/units.ts';
import { DirectedPolicy, letIn } from '../support/directed.ts';
import { value } from '../support/guestHart.ts';
import { bootPaged, dataAt, makeTables, vaOf } from '../support/pagedGuest.ts';
import { bugOf } from '../support/tasks.ts';
import { TestVm, type TestVmOptions } from '../support/testVm.ts';

const MMUS = ['shadow', 'tdp'] as const;

/** A VM whose harts have used what they have. */
function usedVm(options: TestVmOptions): TestVm {
  const vm = new TestVm({ ramPages: 16, checkEvery: 50, ...options });
  vm.run({
    *'vcpu/0'() {
      yield* makeTables(vm, 4);
      for (const { index } of vm.kvm.vcpus) {
        const hart = yield* bootPaged(vm, index);
        for (let i = 0; i < 4; i++) expect(yield* hart.load(vaOf(i))).toEqual(value(dataAt(i)));
      }
    },
  });
  return vm;
}

/** Ends what is left of the VM and the process; nothing of either may stay. */
function finishAll(vm: TestVm, destroyed: boolean): void {
  vm.run({
    *teardown() {
      const { kvm, mm } = vm;
      if (!destroyed) yield* destroyVm(kvm);
      yield* exitMm(mm);
      expect([kvm.usedMmuPages, kvm.shadowPages.size, kvm.pageOfFrame.size, kvm.stats.pages_4k]).toEqual([
        0, 0, 0, 0,
      ]);
      expect(kvm.vcpus.map(({ root, directRoot }) => [root, directRoot])).toEqual(
        kvm.vcpus.map(() => [null, null]),
      );
    },
  });
  expect(vm.oracle.violations).toEqual([]);
  vm.expectNothingLeft();
}

describe.each(MMUS)('a VM under %s', (mmu) => {
  it.each(['process', 'vm'] as const)('leaves nothing behind when the %s ends first', (first) => {
    const vm = usedVm({ mmu, harts: 2 });
    expect(vm.kvm.stats.pages_4k).toBeGreaterThan(4);
    vm.finish(first);
  });

  it('may end while a notifier range is open; the end of the range comes to nobody', () => {
    const vm = usedVm({ mmu });
    vm.run({
      *host() {
        const { mm, kvm } = vm;
        const start = vm.hvaOf(dataAt(0));
        const range = {
          mm,
          start,
          end: (start + PAGE_SIZE) as Hva,
          event: MmuNotifyEvent.CLEAR,
          blockable: true,
        };
        yield* mmuNotifierInvalidateRangeStart(range);
        yield* destroyVm(kvm);
        expect(kvm.notifier).toBeNull();
        yield* mmuNotifierInvalidateRangeEnd(range);
      },
    });
    finishAll(vm, true);
  });

  it.each([
    ['destruction', 'a notifier'],
    ['notifier', 'the destruction'],
  ])('survives that a %s is cut in two by %s, wherever', (main) => {
    let wasThere = true;
    let rounds = 0;
    for (let place = 0; wasThere; place += 4) {
      const policy = new DirectedPolicy();
      const vm = usedVm({ mmu, policy });
      const destroy = { name: 'vmm', body: () => destroyVm(vm.kvm) };
      const drop = {
        name: 'host',
        *body(): Steps {
          expect(yield* madvise(vm.mm, vm.hvaOf(dataAt(0)), 4 * PAGE_SIZE, MADV_DONTNEED)).toBe(0);
        },
      };
      const [first, second] = main === 'destruction' ? [destroy, drop] : [drop, destroy];
      wasThere = letIn(vm, policy, first, second, (step) => step === place);
      finishAll(vm, true);
      rounds++;
    }
    expect(rounds).toBeGreaterThan(8);
  });

  it('survives that its destruction and many notifiers mix', () => {
    for (let seed = 1; seed <= 8; seed++) {
      const vm = usedVm({ mmu, policy: randomPolicy(seed) });
      const drop = (index: number) =>
        function* (): Steps {
          for (let i = 0; i < 4; i++)
            yield* madvise(vm.mm, vm.hvaOf(dataAt((i + index) % 4)), PAGE_SIZE, MADV_DONTNEED);
        };
      vm.run({ vmm: () => destroyVm(vm.kvm), 'host 1': drop(0), 'host 2': drop(2) });
      finishAll(vm, true);
    }
  });
});

describe('createVm', () => {
  it('wants shadow pages enough for a root and a walk of each vCPU', () => {
    const vm = new TestVm({ harts: 2, ramPages: 12, filled: false });
    const { host, mm, harts } = vm;
    vm.run({
      *vmm() {
        const options = { host, mm, harts, mmu: 'shadow' } as const;
        expect(yield* createVm({ ...options, maxMmuPages: 15 })).toBe(-Errno.EINVAL);
        const second = yield* createVm({ ...options, maxMmuPages: 16 });
        if (typeof second === 'number') throw new Error(`errno ${second}`);
        expect(yield* kvmSetMemoryRegion(second, vm.ramRegion)).toBe(0);
        yield* destroyVm(second);
      },
    });
    vm.finish();
  });

  it('gives two VMs of one process each their own', () => {
    const vm = usedVm({});
    const { host, mm, harts } = vm;
    vm.run({
      *vmm() {
        const other = yield* createVm({ host, mm, harts: harts.slice(1), mmu: 'shadow', maxMmuPages: 16 });
        if (typeof other === 'number') throw new Error(`errno ${other}`);
        expect(yield* kvmSetMemoryRegion(other, { ...vm.ramRegion, guestPhysAddr: 0 })).toBe(0);
        expect(vm.kvm.memslots).not.toBe(other.memslots);
        const seqs = [vm.kvm.mmuInvalidateSeq, other.mmuInvalidateSeq];
        yield* madvise(mm, vm.hvaOf(dataAt(0)), PAGE_SIZE, MADV_DONTNEED);
        expect([vm.kvm.mmuInvalidateSeq, other.mmuInvalidateSeq]).toEqual(seqs.map((seq) => seq + 1));
        yield* destroyVm(other);
      },
    });
    vm.finish();
  });
});

it('a VM is destroyed once', () => {
  const vm = usedVm({});
  const { kvm } = vm;
  vm.run({ vmm: () => destroyVm(kvm) });
  expect(bugOf(() => vm.run({ vmm: () => destroyVm(kvm) })).message).toBe('destroyVm: destroyed twice');
  finishAll(vm, true);
});
