// Loads and stores: widths, extension, misalignment, page boundaries, and the exits that kvm finishes.

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Cause, Exit } from '../../../src/hw/hart/index.ts';
import { encode, Op } from '../../../src/hw/isa/index.ts';
import { Access } from '../../../src/hw/sv39/index.ts';
import type { Hpa, Pfn } from '../../../src/units.ts';
import { ALL_FLAGS, RAM, TestMachine } from './testMachine.ts';

const DATA = RAM + 0x4000;
const DEVICE = 0x10000000;

const LOADS = [
  ['lb', 1, true],
  ['lbu', 1, false],
  ['lh', 2, true],
  ['lhu', 2, false],
  ['lw', 4, true],
  ['lwu', 4, false],
  ['ld', 8, true],
] as const;
const STORES = [
  ['sb', 1],
  ['sh', 2],
  ['sw', 4],
  ['sd', 8],
] as const;

let machine: TestMachine;
beforeEach(() => {
  machine = new TestMachine({ ramPages: 16 });
});

/** Executes one instruction with x5 = address, x6 = value. */
function step(instruction: number, address: number, value = 0n, m = machine): number {
  m.load([instruction]);
  m.setX(5, BigInt(address));
  m.setX(6, value);
  m.hart.setPc(RAM | 0, 0);
  return m.hart.run(1);
}

const csr = (name: 'mcause' | 'mtval' | 'mepc'): number => {
  machine.load([encode(Op.csrrs, 8, 0, 0, { mcause: 0x342, mtval: 0x343, mepc: 0x341 }[name])], RAM + 0x800);
  machine.hart.setPc((RAM + 0x800) | 0, 0);
  machine.hart.run(1);
  return Number(BigInt.asIntN(64, machine.x(8)));
};

describe('loads', () => {
  it.each(LOADS)('%s extends %i bytes, at every alignment and across pages', (name, bytes, signed) => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.integer({ min: -16, max: 16 }),
        (value, skew) => {
          const address = DATA + 4096 + skew;
          for (let i = 0; i < 8; i++) {
            machine.memory.write8(
              machine.hostOf(address + i) as Hpa,
              Number((value >> BigInt(8 * i)) & 255n),
            );
          }
          expect(step(encode(Op[name], 7, 5, 0, -7), address + 7)).toBe(Exit.budget);
          const bits = 8 * bytes;
          const expected = signed
            ? BigInt.asUintN(64, BigInt.asIntN(bits, value))
            : BigInt.asUintN(bits, value);
          expect(machine.x(7)).toBe(expected);
        },
      ),
      { seed: 5, numRuns: 100 },
    );
  });

  it('into x0 still access memory', () => {
    expect(step(encode(Op.ld, 0, 5, 0, 0), DEVICE)).toBe(Exit.mmuFault);
    expect(step(encode(Op.ld, 0, 5, 0, 0), DATA)).toBe(Exit.budget);
    expect(machine.x(0)).toBe(0n);
    expect(machine.hart.stats.loadFills).toBe(1);
  });
});

describe('stores', () => {
  it.each(STORES)('%s changes exactly %i bytes, at every alignment and across pages', (name, bytes) => {
    for (let skew = -16; skew <= 16; skew++) {
      const address = DATA + 4096 + skew;
      for (let i = -8; i < 16; i++) machine.memory.write8(machine.hostOf(address + i) as Hpa, 0xee);
      step(encode(Op[name], 0, 5, 6, 0), address, 0x8877665544332211n);
      for (let i = -8; i < 16; i++) {
        const expected = i >= 0 && i < bytes ? 0x11 * (i + 1) : 0xee;
        expect(machine.memory.read8(machine.hostOf(address + i) as Hpa), `byte ${i} at ${skew}`).toBe(
          expected,
        );
      }
    }
  });
});

describe('an access that crosses into a page without translation', () => {
  const edge = RAM + 16 * 4096 - 3;

  it('exits for the second page and has changed nothing', () => {
    const before = machine.read64(RAM + 16 * 4096 - 8);
    expect(step(encode(Op.sd, 0, 5, 6, 0), edge, -1n)).toBe(Exit.mmuFault);
    expect(machine.hart.fault).toMatchObject({
      va: RAM + 16 * 4096,
      gpa: RAM + 16 * 4096,
      access: Access.store,
    });
    expect(machine.hart.access).toMatchObject({ kind: 'store', bytes: 8, va: edge, crossesPage: true });
    expect(machine.read64(RAM + 16 * 4096 - 8)).toBe(before);
    expect(machine.hart.attempted).toBe(0);
  });

  it('traps with the address of the part that faulted', () => {
    step(encode(Op.lw, 7, 5, 0, 0), edge);
    expect(machine.resolve()).toBe(Exit.none);
    expect(csr('mtval')).toBe(RAM + 16 * 4096);
    step(encode(Op.lw, 7, 5, 0, 0), RAM - 2);
    machine.resolve();
    expect(csr('mtval')).toBe(RAM - 2);
    expect(csr('mcause')).toBe(Cause.loadAccess);
  });
});

describe('addresses that no table can map', () => {
  it.each([
    [-1, Cause.loadAccess],
    [2 ** 41, Cause.loadAccess],
    [-(2 ** 52), Cause.loadAccess],
    [2 ** 52, Cause.loadAccess],
  ])('%d is an access fault without paging, and no exit', (address, cause) => {
    expect(step(encode(Op.lb, 7, 5, 0, 0), address)).toBe(Exit.budget);
    expect(csr('mcause')).toBe(cause);
    expect(csr('mtval')).toBe(address);
    expect(csr('mepc')).toBe(RAM);
  });

  it('the second half of an access may be the one', () => {
    machine.map(machine.directRoot, true, 2 ** 41 - 4096, machine.ramPfn, ALL_FLAGS);
    expect(step(encode(Op.sd, 0, 5, 6, 0), 2 ** 41 - 4)).toBe(Exit.budget);
    expect(csr('mcause')).toBe(Cause.storeAccess);
    expect(csr('mtval')).toBe(2 ** 41);
  });
});

describe('device accesses', () => {
  it('a load exits with its size and is completed with the extended value', () => {
    for (const [name, bytes, signed] of LOADS) {
      expect(step(encode(Op[name], 7, 5, 0, 4), DEVICE)).toBe(Exit.mmuFault);
      const { fault, access } = machine.hart;
      expect(fault).toMatchObject({ access: Access.load, gpa: DEVICE + 4, paged: false, implicit: false });
      expect(access).toMatchObject({ kind: 'load', bytes, va: DEVICE + 4, crossesPage: false });
      machine.hart.completeLoad(0x9abcdef0 | 0, -2);
      const bits = 8 * bytes;
      const value = 0xfffffffe_9abcdef0n;
      const expected = signed ? BigInt.asUintN(64, BigInt.asIntN(bits, value)) : BigInt.asUintN(bits, value);
      expect(machine.x(7), name).toBe(expected);
      expect(machine.pc).toBe(BigInt(RAM + 4));
      expect(machine.hart.budgetLeft).toBe(0);
    }
    expect(machine.hart.retired).toBe(LOADS.length);
  });

  it('a store exits with its value and is completed without another effect', () => {
    expect(step(encode(Op.sw, 0, 5, 6, 0), DEVICE, 0x1122334455667788n)).toBe(Exit.mmuFault);
    expect(machine.hart.access).toMatchObject({ kind: 'store', bytes: 4, lo: 0x55667788, hi: 0x11223344 });
    machine.hart.completeStore();
    expect(machine.pc).toBe(BigInt(RAM + 4));
    expect(machine.hart.retired).toBe(1);
  });

  it('name atomics for what they are, so that they can be refused', () => {
    for (const [op, kind] of [
      [Op.lr_w, 'lr'],
      [Op.sc_d, 'sc'],
      [Op.amoadd_w, 'amo'],
    ] as const) {
      expect(step(encode(op, 7, 5, 6, 0), DEVICE)).toBe(Exit.mmuFault);
      expect(machine.hart.access.kind).toBe(kind);
      expect(machine.hart.fault.access).toBe(kind === 'lr' ? Access.load : Access.store);
    }
  });

  it('an instruction that exits is attempted again by the next run', () => {
    expect(step(encode(Op.ld, 7, 5, 0, 0), DEVICE)).toBe(Exit.mmuFault);
    machine.map(machine.directRoot, true, DEVICE, (machine.ramPfn + 5) as Pfn, ALL_FLAGS);
    machine.memory.write64(((machine.ramPfn + 5) * 4096) as Hpa, 42, 0);
    expect(machine.hart.run(1)).toBe(Exit.budget);
    expect(machine.x(7)).toBe(42n);
  });
});

describe('a store to a write-protected page', () => {
  const PROTECTED = DATA;
  beforeEach(() => {
    machine.mapGuestPage(PROTECTED, ALL_FLAGS & ~4);
  });

  it.each([
    ['a store', encode(Op.sd, 0, 5, 6, 0), 0x5n, 0n],
    ['an AMO', encode(Op.amoadd_d, 7, 5, 6, 0), 0x15n, 0x10n],
  ])('%s is emulated on the frame it names', (_name, instruction, stored, loaded) => {
    machine.memory.write64(machine.hostOf(PROTECTED) as Hpa, 0x10, 0);
    machine.setX(7, 0n);
    expect(step(instruction, PROTECTED, 5n)).toBe(Exit.mmuFault);
    machine.hart.emulateStore(machine.hostOf(PROTECTED) as Hpa);
    expect(machine.read64(PROTECTED)).toBe(stored);
    expect(machine.x(7)).toBe(loaded);
    expect(machine.pc).toBe(BigInt(RAM + 4));
    expect(machine.hart.retired).toBe(1);
  });

  it('sc is emulated with its reservation', () => {
    for (const reserved of [true, false]) {
      if (reserved) expect(step(encode(Op.lr_d, 8, 5, 0, 0), PROTECTED)).toBe(Exit.budget);
      expect(step(encode(Op.sc_d, 7, 5, 6, 0), PROTECTED, 9n)).toBe(Exit.mmuFault);
      machine.memory.write64(machine.hostOf(PROTECTED) as Hpa, 1, 0);
      machine.hart.emulateStore(machine.hostOf(PROTECTED) as Hpa);
      expect(machine.x(7)).toBe(reserved ? 0n : 1n);
      expect(machine.read64(PROTECTED)).toBe(reserved ? 9n : 1n);
    }
  });
});
