// CSRs: which exist, who may touch them, and which values they take.

import { beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/hw/hart/clock.ts';
import { plainCsr } from '../../../src/hw/hart/csr.ts';
import { guestSetsAccessedDirty } from '../../../src/hw/hart/guestState.ts';
import { Cause, Irq, type IrqNumber, PRV_M, PRV_S, PRV_U } from '../../../src/hw/hart/index.ts';
import { Csr, encode, Op } from '../../../src/hw/isa/index.ts';
import { RAM, TestMachine } from './testMachine.ts';

const ALL = 2n ** 64n - 1n;
/** A clock that shows what it is told to. */
const clockAt = (ticks: () => number): Clock => ({ timeAt: ticks, origin: () => 0, tick: () => 0 });
const HANDLER = RAM + 0x800;

let machine: TestMachine;
beforeEach(() => {
  machine = new TestMachine({ ramPages: 4, ad: 'svadu' });
});

/** Runs one csr instruction in `privilege` with x5 = value; null when it was illegal, else the old value. */
function access(op: number, csr: number, value = 0n, privilege = PRV_M, rs1 = 5): bigint | null {
  const { hart } = machine;
  const word = encode(op, 7, rs1, 0, csr);
  machine.load([word]);
  machine.setX(5, value);
  const trapped = hart.attempted - hart.retired;
  hart.privilege = privilege;
  hart.setPc(RAM | 0, 0);
  machine.run(1);
  hart.privilege = PRV_M;
  if (hart.attempted - hart.retired === trapped) return machine.x(7);
  expect(read(Csr.mcause)).toBe(BigInt(Cause.illegalInstruction));
  expect(read(Csr.mtval)).toBe(BigInt(word >>> 0));
  return null;
}

const read = (csr: number, privilege = PRV_M): bigint | null => access(Op.csrrs, csr, 0n, privilege, 0);
const write = (csr: number, value: bigint, privilege = PRV_M): bigint | null =>
  access(Op.csrrw, csr, value, privilege);

describe('writable bits', () => {
  const SSTATUS = 0xc6122n;
  const XL = 0xa_00000000n;
  const SD = 1n << 63n;
  it.each<[keyof typeof Csr, bigint, bigint]>([
    ['mstatus', ALL, SD | XL | 0x7e79aan],
    ['mstatus', 0n, XL],
    ['sstatus', ALL, SD | 0x2_00000000n | SSTATUS],
    ['misa', 0n, 0x8000000000141105n],
    ['mtvec', ALL, ALL - 2n],
    ['stvec', ALL, ALL - 2n],
    ['mepc', ALL, ALL - 1n],
    ['sepc', ALL, ALL - 1n],
    ['medeleg', ALL, 0xb3fen],
    ['mideleg', ALL, 0x222n],
    ['mie', ALL, 0xaaan],
    ['mip', ALL, 0x222n],
    ['mcounteren', ALL, 7n],
    ['scounteren', ALL, 7n],
    ['mcountinhibit', ALL, 5n],
    ['mscratch', ALL, ALL],
    ['sscratch', ALL, ALL],
    ['mcause', ALL, ALL],
    ['scause', ALL, ALL],
    ['mtval', ALL, ALL],
    ['stval', ALL, ALL],
    ['menvcfg', ALL, 0xa000000000000001n],
    ['senvcfg', ALL, 1n],
    ['stimecmp', ALL, ALL],
    ['tselect', ALL, 0n],
    ['tdata1', ALL, 0n],
    ['pmpcfg0', ALL, 0x9f9f9f9f9f9f9f9fn],
    ['pmpaddr0', ALL, 2n ** 54n - 1n],
    ['mhpmcounter3', ALL, 0n],
    ['mhpmevent3', ALL, 0n],
  ])('%s takes %x as %x', (name, value, expected) => {
    expect(write(Csr[name], value)).not.toBeNull();
    expect(read(Csr[name])).toBe(expected);
  });

  it('read-only registers tell what the hart is', () => {
    for (const csr of [Csr.mvendorid, Csr.marchid, Csr.mimpid, Csr.mhartid, Csr.mconfigptr]) {
      expect(read(csr)).toBe(0n);
      expect(write(csr, 1n)).toBeNull();
    }
  });

  it('MPP never holds the reserved mode', () => {
    for (const [written, expected] of [
      [0n, 0n],
      [1n, 1n],
      [2n, 0n],
      [3n, 3n],
    ] as const) {
      write(Csr.mstatus, written << 11n);
      expect((read(Csr.mstatus)! >> 11n) & 3n).toBe(expected);
    }
  });

  it('SD says whether FS is dirty; F is missing all the same', () => {
    for (const [fs, sd] of [
      [0n, 0n],
      [1n, 0n],
      [2n, 0n],
      [3n, 1n],
    ] as const) {
      write(Csr.sstatus, fs << 13n);
      expect([(read(Csr.mstatus)! >> 13n) & 3n, read(Csr.mstatus)! >> 63n]).toEqual([fs, sd]);
      expect(read(Csr.sstatus, PRV_S)! >> 63n).toBe(sd);
    }
    expect(read(Csr.fcsr)).toBeNull();
  });

  it('satp ignores a write of a mode that does not exist, whole', () => {
    const sv39 = (8n << 60n) | (0xabcdn << 44n) | 0x80000n;
    write(Csr.satp, sv39);
    expect(read(Csr.satp)).toBe(sv39);
    for (const mode of [1n, 7n, 9n, 10n, 15n]) write(Csr.satp, (mode << 60n) | 1n);
    expect(read(Csr.satp)).toBe(sv39);
    write(Csr.satp, 0n);
    expect(read(Csr.satp)).toBe(0n);
  });

  it('menvcfg.ADUE is writable only under Svadu', () => {
    for (const ad of ['hardware', 'svade'] as const) {
      machine = new TestMachine({ ramPages: 4, ad });
      write(Csr.menvcfg, ALL);
      expect(read(Csr.menvcfg)).toBe(0x8000000000000001n);
      expect(guestSetsAccessedDirty(machine.hart)).toBe(ad === 'hardware');
    }
  });

  it('sstatus, sie and sip are views of mstatus, mie and mip', () => {
    write(Csr.mstatus, ALL);
    write(Csr.sstatus, 0n);
    expect(read(Csr.mstatus)).toBe(0xa_00000000n | (0x7e79aan & ~0xc6122n));
    write(Csr.mstatus, 0n);
    write(Csr.mie, 0xaaan);
    expect(read(Csr.sie)).toBe(0n);
    write(Csr.mideleg, 0x202n);
    expect(read(Csr.sie)).toBe(0x202n);
    write(Csr.sie, 0n);
    expect(read(Csr.mie)).toBe(0x8a8n);
    write(Csr.mip, 0x222n);
    expect(read(Csr.sip)).toBe(0x202n);
    write(Csr.sip, 0n);
    expect(read(Csr.mip)).toBe(0x220n);
  });

  it('a locked PMP entry keeps configuration and address, and the bottom of a locked range stays', () => {
    write(Csr.pmpaddr0, 5n);
    write(Csr.pmpaddr0 + 1, 6n);
    write(Csr.pmpcfg0, 0x8f00n);
    write(Csr.pmpcfg0, 0n);
    expect(read(Csr.pmpcfg0)).toBe(0x8f00n);
    write(Csr.pmpaddr0, 0n);
    write(Csr.pmpaddr0 + 1, 0n);
    expect([read(Csr.pmpaddr0), read(Csr.pmpaddr0 + 1)]).toEqual([5n, 6n]);
  });

  it('PMP has no W without R, sixteen entries, and zeros up to sixty-four', () => {
    write(Csr.pmpcfg0, 0x02n);
    expect(read(Csr.pmpcfg0)).toBe(0n);
    write(Csr.pmpcfg0 + 2, 0x1fn);
    expect(read(Csr.pmpcfg0 + 2)).toBe(0x1fn);
    expect(read(Csr.pmpcfg0 + 1)).toBeNull();
    for (const csr of [Csr.pmpcfg0 + 4, Csr.pmpcfg0 + 14, Csr.pmpaddr0 + 16, Csr.pmpaddr0 + 63]) {
      expect(write(csr, ALL)).not.toBeNull();
      expect(read(csr)).toBe(0n);
    }
  });
});

describe('the six instructions', () => {
  const op = [Op.csrrw, Op.csrrs, Op.csrrc] as const;
  const opi = [Op.csrrwi, Op.csrrsi, Op.csrrci] as const;

  it('swap, set and clear, and answer the old value', () => {
    for (const [i, expected] of [0b1100n, 0b1110n, 0b0010n].entries()) {
      write(Csr.mscratch, 0b1010n);
      expect(access(op[i]!, Csr.mscratch, 0b1100n)).toBe(0b1010n);
      expect(read(Csr.mscratch)).toBe(expected);
      write(Csr.mscratch, 0b1010n);
      expect(access(opi[i]!, Csr.mscratch, 0n, PRV_M, 0b1100)).toBe(0b1010n);
      expect(read(Csr.mscratch)).toBe(expected);
    }
  });

  it('work on all 64 bits, and with rd = rs1', () => {
    write(Csr.mscratch, 0xf0f0f0f0_00000001n);
    machine.load([encode(Op.csrrs, 5, 5, 0, Csr.mscratch)]);
    machine.setX(5, 0x0f0f0f0f_80000000n);
    machine.hart.setPc(RAM | 0, 0);
    machine.run(1);
    expect(machine.x(5)).toBe(0xf0f0f0f0_00000001n);
    expect(read(Csr.mscratch)).toBe(0xffffffff_80000001n);
  });

  it('csrrs and csrrc with x0 do not write, so that read-only registers can be read', () => {
    expect(access(Op.csrrc, Csr.cycle, 0n, PRV_M, 0)).not.toBeNull();
    expect(access(Op.csrrsi, Csr.cycle, 0n, PRV_M, 0)).not.toBeNull();
    expect(access(Op.csrrs, Csr.cycle, 0n)).toBeNull();
    expect(access(Op.csrrci, Csr.cycle, 0n, PRV_M, 1)).toBeNull();
  });

  it('setting mip bits does not latch the external line into the software bit', () => {
    machine.hart.setPending(Irq.seip, true);
    expect(access(Op.csrrs, Csr.mip, 2n)).toBe(0x200n);
    expect(read(Csr.mip)).toBe(0x202n);
    machine.hart.setPending(Irq.seip, false);
    expect(read(Csr.mip)).toBe(0x002n);
  });
});

describe('access', () => {
  it('needs the privilege that the number names', () => {
    for (const [csr, privilege] of [
      [Csr.mscratch, PRV_S],
      [Csr.sscratch, PRV_U],
      [Csr.mhartid, PRV_S],
    ] as const) {
      expect(read(csr, privilege)).toBeNull();
    }
    expect(read(Csr.sscratch, PRV_S)).toBe(0n);
  });

  it.each([0x000, 0x001, 0x206, 0x5c0, 0x600, 0x744, 0x747, 0x7b0, 0x8ff, 0xc03, 0xc1f, 0xc80, 0xfff])(
    'CSR 0x%s does not exist',
    (csr) => {
      expect(read(csr)).toBeNull();
    },
  );

  it('counters are opened to S by mcounteren, and to U by scounteren too', () => {
    for (const [csr, bit] of [
      [Csr.cycle, 1n],
      [Csr.time, 2n],
      [Csr.instret, 4n],
    ] as const) {
      write(Csr.mcounteren, 0n);
      write(Csr.scounteren, bit);
      expect([read(csr), read(csr, PRV_S), read(csr, PRV_U)].map((v) => v !== null)).toEqual([
        true,
        false,
        false,
      ]);
      write(Csr.mcounteren, bit);
      expect([read(csr, PRV_S), read(csr, PRV_U)].map((v) => v !== null)).toEqual([true, true]);
      write(Csr.scounteren, 0n);
      expect([read(csr, PRV_S), read(csr, PRV_U)].map((v) => v !== null)).toEqual([true, false]);
    }
  });

  it('TVM takes satp from S', () => {
    expect(read(Csr.satp, PRV_S)).toBe(0n);
    write(Csr.mstatus, 1n << 20n);
    expect(read(Csr.satp, PRV_S)).toBeNull();
    expect(read(Csr.satp)).toBe(0n);
  });

  it('stimecmp is open to S with STCE and mcounteren.TM', () => {
    expect(read(Csr.stimecmp, PRV_S)).toBeNull();
    write(Csr.menvcfg, 1n << 63n);
    expect(read(Csr.stimecmp, PRV_S)).toBeNull();
    write(Csr.mcounteren, 2n);
    expect(read(Csr.stimecmp, PRV_S)).toBe(0n);
    expect(read(Csr.stimecmp, PRV_U)).toBeNull();
  });
});

describe('counters', () => {
  it('count retired instructions, and attempted ones as cycles', () => {
    const program = [
      encode(Op.csrrs, 10, 0, 0, Csr.minstret),
      encode(Op.csrrs, 11, 0, 0, Csr.mcycle),
      encode(Op.ecall, 0, 0, 0, 0),
    ];
    machine.load(program);
    machine.load([encode(Op.csrrs, 12, 0, 0, Csr.minstret), encode(Op.csrrs, 13, 0, 0, Csr.mcycle)], HANDLER);
    write(Csr.mtvec, BigInt(HANDLER));
    machine.load(program);
    machine.hart.reset(RAM);
    machine.setX(5, BigInt(HANDLER));
    write(Csr.mtvec, BigInt(HANDLER));
    machine.load(program);
    machine.hart.setPc(RAM | 0, 0);
    machine.run(5);
    expect([10, 11, 12, 13].map((i) => machine.x(i))).toEqual([1n, 2n, 3n, 5n]);
  });

  it('a written value is what the next instruction reads', () => {
    machine.load([
      encode(Op.csrrw, 0, 5, 0, Csr.minstret),
      encode(Op.csrrs, 10, 0, 0, Csr.minstret),
      encode(Op.csrrw, 0, 5, 0, Csr.mcycle),
      encode(Op.csrrs, 11, 0, 0, Csr.mcycle),
      encode(Op.csrrs, 12, 0, 0, Csr.mcycle),
    ]);
    machine.setX(5, 0xffffffff_ffffffffn);
    machine.run(5);
    expect([10, 11, 12].map((i) => machine.x(i))).toEqual([ALL, ALL, 0n]);
  });

  it('stop with the instruction that inhibits, keep what is written then, and go on with the one that allows', () => {
    machine.load([
      encode(Op.csrrs, 9, 0, 0, Csr.minstret),
      encode(Op.csrrwi, 0, 5, 0, Csr.mcountinhibit),
      encode(Op.csrrs, 10, 0, 0, Csr.minstret),
      encode(Op.csrrs, 11, 0, 0, Csr.minstret),
      encode(Op.csrrw, 0, 5, 0, Csr.minstret),
      encode(Op.csrrs, 12, 0, 0, Csr.minstret),
      encode(Op.csrrwi, 0, 0, 0, Csr.mcountinhibit),
      encode(Op.csrrs, 13, 0, 0, Csr.minstret),
      encode(Op.csrrs, 14, 0, 0, Csr.minstret),
    ]);
    machine.setX(5, 1000n);
    machine.run(9);
    const [a, b, c, d, e, f] = [9, 10, 11, 12, 13, 14].map((i) => machine.x(i));
    expect([b! - a!, c! - a!, d, e, f]).toEqual([1n, 1n, 1000n, 1001n, 1002n]);
  });

  it('time is the board clock', () => {
    machine.hart.clock = clockAt(() => 2 ** 40 + 5);
    expect(read(Csr.time)).toBe(2n ** 40n + 5n);
  });
});

describe('interrupt lines', () => {
  it.each<[IrqNumber, bigint]>([
    [Irq.msip, 0x008n],
    [Irq.mtip, 0x080n],
    [Irq.meip, 0x800n],
    [Irq.seip, 0x200n],
    [Irq.ssip, 0x002n],
    [Irq.stip, 0x020n],
  ])('irq %i is seen in mip while it is up', (irq, bit) => {
    machine.hart.setPending(irq, true);
    expect(read(Csr.mip)).toBe(bit);
    machine.hart.setPending(irq, false);
    expect(read(Csr.mip)).toBe(0n);
  });

  it('machine lines cannot be written by software', () => {
    machine.hart.setPending(Irq.mtip, true);
    write(Csr.mip, 0n);
    expect(read(Csr.mip)).toBe(0x080n);
  });

  it('with STCE, STIP is the comparator and not what software wrote', () => {
    let now = 99;
    machine.hart.clock = clockAt(() => now);
    write(Csr.mip, 0x20n);
    write(Csr.menvcfg, 1n << 63n);
    write(Csr.stimecmp, 100n);
    expect(machine.hart.timerDeadline).toBe(100);
    expect(read(Csr.mip)).toBe(0n);
    now = 100;
    expect(read(Csr.mip)).toBe(0x20n);
    write(Csr.mip, 0n);
    expect(read(Csr.mip)).toBe(0x20n);
  });
});

it('translated code accesses these registers itself, because nothing but storage stands behind them', () => {
  const plain = Object.entries(Csr).flatMap(([name, csr]) => (plainCsr(csr) === undefined ? [] : name));
  expect(plain.sort()).toEqual([
    'mcause',
    'mcounteren',
    'medeleg',
    'mepc',
    'mscratch',
    'mtval',
    'mtvec',
    'scause',
    'scounteren',
    'senvcfg',
    'sepc',
    'sscratch',
    'stval',
    'stvec',
  ]);
});
