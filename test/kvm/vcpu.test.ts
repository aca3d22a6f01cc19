// KVM_RUN: MMIO in two phases and of every width, what no device can answer, the other reasons to leave, and the budget.

import { describe, expect, it } from 'vitest';
import { csrOffset, Irq } from '../../src/hw/hart/index.ts';
import { kvmSetMemoryRegion, vcpuRun } from '../../src/kvm/index.ts';
import { RESCHED, type Steps } from '../../src/sched/index.ts';
import { hiWord, loWord, PAGE_SIZE } from '../../src/units.ts';
import { GuestHart, type Instruction, type Outcome, PHYSICAL, trap, value } from '../support/guestHart.ts';
import { entryAddress, entryFor, KERNEL_PAGE, leafEntry, PTE_V, PTE_X } from '../support/guestTables.ts';
import { bootPaged, clearPages, makeTables, pageAt, TABLES, vaOf } from '../support/pagedGuest.ts';
import { RAM, TestVm } from '../support/testVm.ts';

const MMUS = ['shadow', 'tdp'] as const;
/** Nothing is there. */
const DEVICE = 0x1000_0000;
const FETCH_ACCESS_FAULT = 1;
const LOAD_ACCESS_FAULT = 5;
const STORE_ACCESS_FAULT = 7;
const PAGES = 12;

describe.each(MMUS)('MMIO under %s', (mmu) => {
  function withGuest(body: (hart: GuestHart, vm: TestVm) => Steps): void {
    const vm = new TestVm({ mmu, ramPages: PAGES });
    vm.run({
      *'vcpu/0'() {
        const hart = new GuestHart(vm.kvm.vcpus[0]!);
        yield* hart.reset();
        yield* body(hart, vm);
      },
    });
    vm.finish();
  }

  function answer({ vcpu }: GuestHart, data: bigint): void {
    vcpu.run.mmio.lo = Number(BigInt.asIntN(32, data));
    vcpu.run.mmio.hi = Number(BigInt.asIntN(32, data >> 32n));
  }

  it.each<[Instruction, number, number]>([
    ['lb', 1, -0x78],
    ['lbu', 1, 0x88],
    ['lh', 2, -0x7778],
    ['lhu', 2, 0x8888],
    ['lw', 4, -0x77777778],
    ['lwu', 4, 0x88888888],
    ['ld', 8, 0x0008_8888_8888_8888],
  ])('by %s asks for its bytes and gets them extended', (instruction, length, expected) => {
    withGuest(function* (hart) {
      const { run, stats } = hart.vcpu;
      const asked = yield* hart.load(DEVICE + 8, PHYSICAL, instruction);
      expect(asked).toEqual({ kind: 'mmio', gpa: DEVICE + 8, isWrite: false, data: 0 });
      expect(run).toMatchObject({ exitReason: 'mmio', mmio: { length } });
      const { pc, attempted } = hart.vcpu.hart;
      // More than was asked for: a device answers what it likes.
      answer(hart, length === 8 ? 0x0008_8888_8888_8888n : 0xffff_ffff_8888_8888n);
      expect(yield* hart.complete()).toEqual(value(expected));
      expect(hart.vcpu.hart.pc).toBe(pc + 4);
      expect(hart.vcpu.hart.attempted).toBe(attempted + 1);
      expect(stats.mmio_exits).toBe(1);
    });
  });

  it.each<[Instruction, number]>([
    ['sb', 1],
    ['sh', 2],
    ['sw', 4],
    ['sd', 8],
  ])('by %s hands its bytes over, once', (instruction, length) => {
    withGuest(function* (hart) {
      const { run, stats } = hart.vcpu;
      const written = yield* hart.store(DEVICE, 0x12_3456_789a, PHYSICAL, instruction);
      expect(written).toMatchObject({ kind: 'mmio', gpa: DEVICE, isWrite: true });
      expect(run.mmio.length).toBe(length);
      const mask = 2 ** (8 * length) - 1;
      const data = run.mmio.hi * 2 ** 32 + (run.mmio.lo >>> 0);
      expect(BigInt(data) & BigInt(mask)).toBe(0x12_3456_789an & BigInt(mask));
      const { pc } = hart.vcpu.hart;
      expect(yield* hart.complete()).toMatchObject({ kind: 'value' });
      expect(hart.vcpu.hart.pc).toBe(pc + 4);
      expect(stats.mmio_exits).toBe(1);
    });
  });

  it('is completed by the next KVM_RUN, even by one without a budget', () => {
    withGuest(function* (hart) {
      yield* hart.load(DEVICE, PHYSICAL);
      const { vcpu } = hart;
      const { pc, attempted } = vcpu.hart;
      answer(hart, 5n);
      expect(yield* vcpuRun(vcpu, 0)).toBe(0);
      expect(vcpu.run.exitReason).toBe('intr');
      expect([vcpu.hart.pc, vcpu.hart.attempted]).toEqual([pc + 4, attempted + 1]);
      expect(yield* vcpuRun(vcpu, 0)).toBe(0);
      expect(vcpu.hart.attempted).toBe(attempted + 1);
    });
  });

  it('that nothing answers is an access fault, where the instruction is', () => {
    withGuest(function* (hart) {
      for (const [access, cause] of [
        [() => hart.load(DEVICE + 4, PHYSICAL, 'lw'), LOAD_ACCESS_FAULT],
        [() => hart.store(DEVICE + 4, 1, PHYSICAL, 'sw'), STORE_ACCESS_FAULT],
      ] as const) {
        expect(yield* access()).toMatchObject({ kind: 'mmio' });
        const { pc } = hart.vcpu.hart;
        hart.vcpu.run.mmio.fault = true;
        expect(yield* hart.complete()).toEqual(trap(cause, DEVICE + 4));
        expect(hart.csr('mepc')).toBe(pc);
        // The next answer counts for itself.
        expect(yield* access()).toMatchObject({ kind: 'mmio' });
        expect(yield* hart.complete()).toMatchObject({ kind: 'value' });
      }
    });
  });

  it('is none for LR, SC, AMO and fetches: access faults', () => {
    withGuest(function* (hart, vm) {
      const { mmio_exits } = hart.vcpu.stats;
      expect(yield* hart.load(DEVICE, PHYSICAL, 'lr_d')).toEqual(trap(LOAD_ACCESS_FAULT, DEVICE));
      expect(yield* hart.store(DEVICE, 1, PHYSICAL, 'sc_d')).toEqual(trap(STORE_ACCESS_FAULT, DEVICE));
      expect(yield* hart.store(DEVICE, 1, PHYSICAL, 'amoadd_d')).toEqual(trap(STORE_ACCESS_FAULT, DEVICE));
      yield* makeTables(vm, 1);
      yield* vm.write64(leafEntry(TABLES, vaOf(0)), entryFor(DEVICE, KERNEL_PAGE | PTE_X));
      yield* hart.satp(TABLES.root);
      expect(yield* hart.executeAt(vaOf(0) + 8)).toEqual(trap(FETCH_ACCESS_FAULT, vaOf(0) + 8));
      expect(hart.vcpu.stats.mmio_exits).toBe(mmio_exits);
    });
  });

  it('is none for what crosses a page: an access fault, and nothing was stored', () => {
    withGuest(function* (hart, vm) {
      const end = RAM + PAGES * PAGE_SIZE;
      expect(yield* hart.load(end - 4, PHYSICAL)).toEqual(trap(LOAD_ACCESS_FAULT, end));
      const before = yield* vm.read64(end - 8);
      expect(yield* hart.store(end - 4, -1, PHYSICAL)).toEqual(trap(STORE_ACCESS_FAULT, end));
      expect(yield* vm.read64(end - 8)).toBe(before);
      expect(yield* hart.load(DEVICE + PAGE_SIZE - 4, PHYSICAL)).toMatchObject({ cause: LOAD_ACCESS_FAULT });
    });
  });

  it('is found through the guest’s tables', () => {
    withGuest(function* (hart, vm) {
      yield* makeTables(vm, 1);
      yield* vm.write64(leafEntry(TABLES, vaOf(1)), entryFor(DEVICE, KERNEL_PAGE));
      yield* hart.satp(TABLES.root);
      const asked = { kind: 'mmio', gpa: DEVICE + 24, isWrite: false, data: 0 };
      expect(yield* hart.load(vaOf(1) + 24)).toEqual(asked);
      answer(hart, 77n);
      expect(yield* hart.complete()).toEqual(value(77));
      const written = { kind: 'mmio', gpa: DEVICE + 16, isWrite: true, data: 78 };
      expect(yield* hart.store(vaOf(1) + 16, 78)).toEqual(written);
      hart.vcpu.run.mmio.fault = true;
      expect(yield* hart.complete()).toEqual(trap(STORE_ACCESS_FAULT, vaOf(1) + 16));
    });
  });

  it('is none where a guest’s tables ought to be: an access fault of what the guest did', () => {
    withGuest(function* (hart, vm) {
      yield* makeTables(vm, 1);
      yield* vm.write64(TABLES.middle, entryFor(DEVICE, 1));
      yield* hart.satp(TABLES.root);
      expect(yield* hart.load(vaOf(0))).toEqual(trap(LOAD_ACCESS_FAULT, vaOf(0)));
      expect(yield* hart.store(vaOf(0), 1)).toEqual(trap(STORE_ACCESS_FAULT, vaOf(0)));
      expect(hart.vcpu.stats.mmio_exits).toBe(0);
    });
  });
});

describe('KVM_RUN', () => {
  function withHart(body: (hart: GuestHart, vm: TestVm) => Steps): void {
    const vm = new TestVm({ ramPages: PAGES });
    vm.run({
      *'vcpu/0'() {
        const hart = new GuestHart(vm.kvm.vcpus[0]!);
        yield* hart.reset();
        yield* body(hart, vm);
      },
    });
    vm.finish();
  }

  it('executes as many instructions as the budget has, faults and all', () => {
    withHart(function* ({ vcpu }, vm) {
      // addi x5, x5, 1, from page 5 to the end of page 6; none of it is mapped yet.
      const nops = new Int32Array(2 * 1024).fill(0x00128293);
      yield* vm.write(pageAt(5), new Uint8Array(nops.buffer));
      vcpu.hart.setPc(pageAt(5) | 0, 0);
      vcpu.hart.setX(5, 0, 0);
      for (const budget of [1, 1000, 500]) expect(yield* vcpuRun(vcpu, budget)).toBe(0);
      expect(vcpu.run.exitReason).toBe('intr');
      expect(vcpu.hart.block[5 * 2]).toBe(1501);
      expect(vcpu.hart.pc).toBe(pageAt(5) + 1501 * 4);
    });
  });

  it('keeps nobody from running while an instruction faults for ever', () => {
    // Tables and data a GiB apart: more second-stage tables than there may be, for one load.
    const vm = new TestVm({ mmu: 'tdp', ramPages: 16, maxMmuPages: 12 });
    const { kvm } = vm;
    const far = [1, 2, 3, 4, 5].map((i) => RAM + i * 2 ** 30) as [number, number, number, number, number];
    let faults = 0;
    const off = vm.trace.subscribe('kvm_page_fault', () => {
      if (++faults > 10_000) throw new Error('nobody else gets to run');
    });
    let isOver = false;
    vm.run({
      *'vcpu/0'() {
        for (const [i, guestPhysAddr] of far.entries()) {
          const region = { slot: i + 1, flags: 0, guestPhysAddr, memorySize: PAGE_SIZE };
          const userspaceAddr = vm.hvaOf(pageAt(i + 1));
          expect(yield* kvmSetMemoryRegion(kvm, { ...region, userspaceAddr })).toBe(0);
        }
        yield* clearPages(vm, 1, 2, 3);
        const [root, middle, leaf, first, second] = far;
        yield* vm.write64(entryAddress(pageAt(1), 0, 2), entryFor(middle, PTE_V));
        yield* vm.write64(entryAddress(pageAt(2), 0, 1), entryFor(leaf, PTE_V));
        yield* vm.write64(entryAddress(pageAt(3), 0, 0), entryFor(first, KERNEL_PAGE));
        yield* vm.write64(entryAddress(pageAt(3), PAGE_SIZE, 0), entryFor(second, KERNEL_PAGE));
        const hart = yield* bootPaged(vm, 0, root);
        expect(yield* hart.load(PAGE_SIZE - 4)).toMatchObject({ kind: 'value' });
        isOver = true;
      },
      *host() {
        for (let i = 0; i < 200; i++) yield RESCHED;
        expect(isOver).toBe(false);
        // Let it through, so that the test ends.
        (kvm as { maxMmuPages: number }).maxMmuPages = 64;
      },
    });
    off();
    expect(isOver).toBe(true);
    vm.finish();
  });

  it('leaves for wfi while nothing is pending, and not otherwise', () => {
    withHart(function* (hart) {
      const { hart: silicon, stats } = hart.vcpu;
      expect(yield* hart.execute('wfi')).toEqual({ kind: 'exit', reason: 'hlt' });
      silicon.setPending(Irq.msip, true);
      expect(yield* hart.execute('wfi')).toEqual({ kind: 'exit', reason: 'hlt' });
      // Enabled locally, if not globally: that wakes.
      silicon.block[csrOffset('mie') >>> 2] = 1 << Irq.msip;
      expect(yield* hart.execute('wfi')).toMatchObject({ kind: 'value' });
      expect(stats.halt_exits).toBe(2);
    });
  });

  it('leaves for good when a trap handler cannot be fetched', () => {
    withHart(function* (hart) {
      hart.vcpu.hart.setX(12, loWord(DEVICE), hiWord(DEVICE));
      yield* hart.execute('mtvec');
      yield* hart.load(DEVICE, PHYSICAL, 'lr_d');
      expect(hart.vcpu.hart.pc).toBe(DEVICE);
      const crashed: Outcome = { kind: 'exit', reason: 'shutdown' };
      expect(yield* hart.complete()).toEqual(crashed);
      expect(hart.vcpu.run.shutdown.cause).toBe(FETCH_ACCESS_FAULT);
    });
  });

  it('counts exits by cause', () => {
    withHart(function* (hart) {
      const { exits } = hart.vcpu;
      yield* hart.load(DEVICE, PHYSICAL);
      yield* hart.complete();
      yield* hart.fence();
      yield* hart.execute('wfi');
      expect(exits).toMatchObject({ mmuFault: 2, wfi: 1 });
      const sum = Object.values(exits).reduce((a, b) => a + b, 0);
      expect(sum).toBe(hart.vcpu.stats.exits);
    });
  });

  it('of a root that a guest makes up runs into its own faults only', () => {
    const vm = new TestVm({ ramPages: 16 });
    vm.run({
      *'vcpu/0'() {
        const hart = yield* bootPaged(vm, 0, pageAt(9));
        // Words that say where they lie make no tables.
        expect(yield* hart.load(vaOf(0))).toMatchObject({ kind: 'trap' });
      },
    });
    vm.finish();
  });
});
