// Requests, kicks and acknowledgements: nobody goes on before every vCPU that was in the guest has left it, and none goes
// in again without having done what was asked.

import { describe, expect, it } from 'vitest';
import { kvmVcpuKick } from '../../src/kvm/index.ts';
import { Request } from '../../src/kvm/internals.ts';
import { recycleForMemory } from '../../src/kvm/recycle.ts';
import { kvmFlushRemoteTlbs, kvmMakeAllCpusRequest } from '../../src/kvm/requests.ts';
import { VcpuMode } from '../../src/kvm/vcpuMode.ts';
import { kvmMmuZapAll } from '../../src/kvm/zap.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
} from '../../src/notifier/index.ts';
import { RESCHED, randomPolicy, type Steps } from '../../src/sched/index.ts';
import { type Hva, PAGE_SIZE, type Pfn } from '../../src/units.ts';
import { DirectedPolicy, letIn, letInEverywhere } from '../support/directed.ts';
import { type GuestHart, PHYSICAL, value } from '../support/guestHart.ts';
import { bootPaged, dataAt, makeTables, pageAt, vaOf } from '../support/pagedGuest.ts';
import { TestVm, type TestVmOptions } from '../support/testVm.ts';

const MMUS = ['shadow', 'tdp'] as const;

interface Scene {
  readonly vm: TestVm;
  readonly policy: DirectedPolicy;
  readonly hart: GuestHart;
}

function newScene(options: TestVmOptions = {}): Scene {
  const policy = new DirectedPolicy();
  const vm = new TestVm({ ramPages: 16, policy, checkEvery: 20, ...options });
  let hart: GuestHart | undefined;
  vm.run({
    *'vcpu/0'() {
      yield* makeTables(vm, 2);
      hart = yield* bootPaged(vm);
      yield* hart.load(vaOf(0));
    },
  });
  return { vm, policy, hart: hart! };
}

const loading = ({ hart }: Scene) => ({
  name: 'vcpu/0',
  *body(): Steps {
    expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
  },
});

describe('a request to all vCPUs', () => {
  it('is kept for those outside, which nobody waits for', () => {
    const { vm } = newScene({ harts: 3 });
    const steps = vm.sched.steps;
    vm.run({ host: () => kvmMakeAllCpusRequest(vm.kvm, Request.tlbFlush) });
    expect(vm.sched.steps).toBe(steps + 1);
    expect(vm.kvm.vcpus.map(({ requests }) => requests)).toEqual(Array(3).fill(Request.tlbFlush));
    vm.finish();
  });

  it('is answered once, at the door', () => {
    const { vm, hart } = newScene();
    const { stats } = hart.vcpu;
    vm.run({
      *'vcpu/0'() {
        const { tlb_flush } = stats;
        for (let i = 0; i < 3; i++) yield* kvmFlushRemoteTlbs(vm.kvm);
        for (let i = 0; i < 3; i++) yield* hart.load(vaOf(0));
        expect(stats.tlb_flush).toBe(tlb_flush + 1);
        expect(hart.vcpu.requests).toBe(0);
        expect(vm.kvm.stats.remote_tlb_flush).toBeGreaterThanOrEqual(3);
      },
    });
    vm.finish();
  });

  it('drives those that are inside out, and waits for it', () => {
    const scene = newScene();
    const { vm, policy, hart } = scene;
    const { vcpu } = hart;
    const modes: number[] = [];
    const isInside = (): boolean => vcpu.mode === VcpuMode.inGuest;
    const request = {
      name: 'host',
      *body(): Steps {
        modes.push(vcpu.mode);
        yield* kvmFlushRemoteTlbs(vm.kvm);
        modes.push(vcpu.mode);
      },
    };
    expect(letIn(vm, policy, loading(scene), request, isInside)).toBe(true);
    expect(modes).toEqual([VcpuMode.inGuest, VcpuMode.outsideGuest]);
    expect(vcpu.exits.kick).toBe(1);
    vm.finish();
  });

  it('has two who ask at the same time both wait', () => {
    const scene = newScene();
    const { vm, policy, hart } = scene;
    const { vcpu } = hart;
    let left = 0;
    const ask = function* (): Steps {
      yield* kvmFlushRemoteTlbs(vm.kvm);
      expect(vcpu.mode).toBe(VcpuMode.outsideGuest);
      left++;
    };
    const both = {
      name: 'host',
      *body(): Steps {
        vm.sched.spawn('host 2', ask());
        yield* ask();
        while (left < 2) yield RESCHED;
      },
    };
    const isInside = (): boolean => vcpu.mode === VcpuMode.inGuest;
    expect(letIn(vm, policy, loading(scene), both, isInside)).toBe(true);
    expect(left).toBe(2);
    vm.finish();
  });

  it.each(MMUS)(
    'comes before the frames of zapped tables are given away, wherever that cuts in (%s)',
    (mmu) => {
      const scene = newScene({ mmu });
      const { vm, policy, hart } = scene;
      const { kvm, host } = vm;
      const { vcpu } = hart;
      const tables = new Set<Pfn>();
      let freed = 0;
      let exits = 0;
      const { memory } = host;
      const poison = memory.poison.bind(memory);
      memory.poison = (pfn) => {
        if (tables.delete(pfn)) {
          freed++;
          // It has left since, or was outside all the time.
          expect(vcpu.mode !== VcpuMode.inGuest || vcpu.stats.exits > exits).toBe(true);
        }
        poison(pfn);
      };
      const rounds = letInEverywhere(vm, policy, () => {
        tables.clear();
        return {
          main: loading(scene),
          other: {
            name: 'vmm',
            *body(): Steps {
              for (const frame of kvm.pageOfFrame.keys()) tables.add(frame);
              exits = vcpu.stats.exits;
              // Not the roots: to let go of them has the vCPUs leave, too.
              yield* recycleForMemory(kvm, 100);
            },
          },
        };
      });
      expect(rounds).toBeGreaterThan(4);
      expect(freed).toBeGreaterThan(rounds);
      memory.poison = poison;
      vm.finish();
    },
  );

  it.each(MMUS)('to drop obsolete roots has the vCPU load new ones before it goes in (%s)', (mmu) => {
    const { vm, hart } = newScene({ mmu });
    const { vcpu } = hart;
    vm.run({
      *'vcpu/0'() {
        const { root, directRoot } = vcpu;
        yield* kvmMmuZapAll(vm.kvm);
        expect(vcpu.requests & Request.freeObsoleteRoots).not.toBe(0);
        // They wait for their last user.
        expect(directRoot).toMatchObject({ invalid: true, rootCount: 1 });
        expect(vm.kvm.usedMmuPages).toBe(mmu === 'shadow' ? 5 : 4);
        expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
        expect(vcpu.directRoot).not.toBe(directRoot);
        expect(directRoot!.rootCount).toBe(0);
        if (mmu === 'shadow') expect(vcpu.root).not.toBe(root);
      },
    });
    vm.finish();
  });
});

describe.each(MMUS)('a notifier’s start under %s', (mmu) => {
  it('has every access that comes later fault, wherever it cuts into one', () => {
    const scene = newScene({ mmu });
    const { vm, policy, hart } = scene;
    const { stats, hart: silicon } = hart.vcpu;
    const start = vm.hvaOf(dataAt(0));
    const end = (start + PAGE_SIZE) as Hva;
    const range = { mm: vm.mm, start, end, event: MmuNotifyEvent.CLEAR, blockable: true };
    let later = 0;
    const rounds = letInEverywhere(vm, policy, () => {
      vm.run({ 'vcpu/0': loading(scene).body });
      const { retired } = silicon;
      let faultsBefore = -1;
      return {
        main: {
          name: 'vcpu/0',
          *body(): Steps {
            expect(yield* hart.load(vaOf(0))).toEqual(value(dataAt(0)));
            if (faultsBefore < 0) return;
            expect(stats.pf_taken).toBeGreaterThan(faultsBefore);
            later++;
          },
        },
        other: {
          name: 'host',
          *body(): Steps {
            yield* mmuNotifierInvalidateRangeStart(range);
            if (silicon.retired === retired) faultsBefore = stats.pf_taken;
            yield* mmuNotifierInvalidateRangeEnd(range);
          },
        },
      };
    });
    expect(rounds).toBeGreaterThan(4);
    expect(later).toBeGreaterThan(2);
    vm.finish();
  });
});

describe('kvm_vcpu_kick()', () => {
  it('has a vCPU that is inside leave before its next instruction, and no request made', () => {
    const scene = newScene();
    const { vm, policy, hart } = scene;
    const { vcpu } = hart;
    const kick = {
      name: 'host',
      *body(): Steps {
        kvmVcpuKick(vcpu);
      },
    };
    const isInside = (): boolean => vcpu.mode === VcpuMode.inGuest;
    const { tlb_flush } = vcpu.stats;
    expect(letIn(vm, policy, loading(scene), kick, isInside)).toBe(true);
    expect(vcpu.exits.kick).toBe(1);
    expect(vcpu.stats.tlb_flush).toBe(tlb_flush);
    vm.finish();
  });

  it('wakes one that waits for an interrupt', () => {
    const { vm, hart } = newScene();
    let woken = false;
    let ready = false;
    vm.run({
      *'vcpu/0'() {
        yield* hart.vcpu.waitQueue.until(() => ready);
        woken = true;
      },
      *host() {
        while (!hart.vcpu.waitQueue.hasWaiters) yield RESCHED;
        ready = true;
        kvmVcpuKick(hart.vcpu);
      },
    });
    expect(woken).toBe(true);
    vm.finish();
  });
});

describe('many requests at once', () => {
  it.each(MMUS)('never let a hart find a table that is gone, nor deadlock (%s)', (mmu) => {
    for (let seed = 1; seed <= 6; seed++) {
      const vm = new TestVm({ mmu, harts: 3, ramPages: 16, policy: randomPolicy(seed), checkEvery: 200 });
      vm.run({ boot: () => makeTables(vm, 4) });
      const body = (index: number) =>
        function* (): Steps {
          const hart = yield* bootPaged(vm, index);
          for (let i = 0; i < 15; i++) {
            const page = (i + index) % 4;
            expect(yield* hart.load(vaOf(page))).toEqual(value(dataAt(page)));
            if (i % 5 === index) yield* kvmMmuZapAll(vm.kvm);
            expect(yield* hart.load(pageAt(8), PHYSICAL)).toEqual(value(pageAt(8)));
          }
        };
      vm.run({ 'vcpu/0': body(0), 'vcpu/1': body(1), 'vcpu/2': body(2) });
      vm.finish();
    }
  });
});
