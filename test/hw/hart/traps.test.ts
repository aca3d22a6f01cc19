// Traps: causes and values, delegation, the stack of privileges, interrupts, WFI, and the crash of a missing handler.

import { beforeEach, describe, expect, it } from 'vitest';
import { Cause, Exit, Irq, PRV_M, PRV_S, PRV_U } from '../../../src/hw/hart/index.ts';
import { Csr, encode, Op } from '../../../src/hw/isa/index.ts';
import { RAM, TestMachine } from './testMachine.ts';

const M_HANDLER = RAM + 0x400;
const S_HANDLER = RAM + 0x600;
const MIE = 1n << 3n;
const SIE = 1n << 1n;
const NOP = encode(Op.addi, 0, 0, 0, 0);

let machine: TestMachine;
beforeEach(() => {
  machine = new TestMachine({ ramPages: 4 });
  machine.load([NOP, NOP, NOP, NOP]);
  setCsr(Csr.mtvec, BigInt(M_HANDLER));
  setCsr(Csr.stvec, BigInt(S_HANDLER));
});

/** A csr instruction from a place of its own, in M mode with interrupts as they are; pc and privilege are put back. */
function csr(op: number, number: number, value: bigint): bigint {
  const { hart } = machine;
  const [pc, privilege, x5, x6] = [machine.pc, hart.privilege, machine.x(5), machine.x(6)];
  machine.load([encode(op, 6, op === Op.csrrw ? 5 : 0, 0, number)], RAM + 0x1000);
  hart.privilege = PRV_M;
  machine.setX(5, value);
  hart.setPc((RAM + 0x1000) | 0, 0);
  expect(hart.run(1)).toBe(Exit.budget);
  const old = machine.x(6);
  machine.setX(5, x5);
  machine.setX(6, x6);
  hart.privilege = privilege;
  hart.setPc(Number(BigInt.asIntN(32, pc)), Number(BigInt.asIntN(32, pc >> 32n)));
  return old;
}
const setCsr = (number: number, value: bigint): bigint => csr(Op.csrrw, number, value);
const getCsr = (number: number): bigint => csr(Op.csrrs, number, 0n);

/** Executes one word at RAM in `privilege`. */
function step(word: number, privilege = PRV_M): number {
  machine.load([word]);
  machine.hart.setPc(RAM | 0, 0);
  enter(privilege);
  return machine.hart.run(1);
}

/** Changes privilege the way an emulator may not: with a fresh TLB context. */
function enter(privilege: number): void {
  machine.hart.privilege = privilege;
  machine.hart.setDirectRoot(machine.directRoot);
}

const mpp = (): number => Number((getCsr(Csr.mstatus) >> 11n) & 3n);

describe('exceptions', () => {
  it.each([
    ['ecall from U', encode(Op.ecall, 0, 0, 0, 0), PRV_U, Cause.userEcall, 0n],
    ['ecall from S', encode(Op.ecall, 0, 0, 0, 0), PRV_S, Cause.supervisorEcall, 0n],
    ['ecall from M', encode(Op.ecall, 0, 0, 0, 0), PRV_M, Cause.machineEcall, 0n],
    ['ebreak', encode(Op.ebreak, 0, 0, 0, 0), PRV_U, Cause.breakpoint, BigInt(RAM)],
    ['c.ebreak', 0x9002, PRV_S, Cause.breakpoint, BigInt(RAM)],
    ['an illegal word', 0xffffffff | 0, PRV_M, Cause.illegalInstruction, 0xffffffffn],
    ['an illegal halfword', 0x1234_0000, PRV_U, Cause.illegalInstruction, 0n],
    ['mret in S', encode(Op.mret, 0, 0, 0, 0), PRV_S, Cause.illegalInstruction, 0x30200073n],
    ['sret in U', encode(Op.sret, 0, 0, 0, 0), PRV_U, Cause.illegalInstruction, 0x10200073n],
    ['wfi in U', encode(Op.wfi, 0, 0, 0, 0), PRV_U, Cause.illegalInstruction, 0x10500073n],
    ['sfence.vma in U', encode(Op.sfence_vma, 0, 3, 4, 0), PRV_U, Cause.illegalInstruction, 0x12418073n],
    ['fadd.s', 0x00000053, PRV_M, Cause.illegalInstruction, 0x53n],
  ])('%s', (_name, word, privilege, cause, tval) => {
    expect(step(word, privilege)).toBe(Exit.budget);
    expect(machine.pc).toBe(BigInt(M_HANDLER));
    expect(machine.hart.privilege).toBe(PRV_M);
    expect([getCsr(Csr.mcause), getCsr(Csr.mtval), getCsr(Csr.mepc)]).toEqual([
      BigInt(cause),
      tval,
      BigInt(RAM),
    ]);
    expect(mpp()).toBe(privilege);
  });

  it('use up budget but do not retire', () => {
    const before = machine.hart.retired;
    expect(step(encode(Op.ecall, 0, 0, 0, 0))).toBe(Exit.budget);
    expect(machine.hart.retired).toBe(before);
    expect(machine.hart.budgetLeft).toBe(0);
  });

  it.each([
    ['TSR', 1n << 22n, Op.sret],
    ['TW', 1n << 21n, Op.wfi],
    ['TVM', 1n << 20n, Op.sfence_vma],
  ])('mstatus.%s forbids its instruction in S, not in M', (_name, bit, op) => {
    const trappedIn = (privilege: number): boolean => {
      const before = machine.hart.attempted - machine.hart.retired;
      step(encode(op, 0, 0, 0, 0), privilege);
      return machine.hart.attempted - machine.hart.retired !== before;
    };
    expect(trappedIn(PRV_S)).toBe(false);
    setCsr(Csr.mstatus, bit);
    expect(trappedIn(PRV_S)).toBe(true);
    setCsr(Csr.mstatus, bit);
    expect(trappedIn(PRV_M)).toBe(false);
  });
});

describe('delegation', () => {
  it('goes to S from below and from S, never from M', () => {
    setCsr(Csr.medeleg, 0xb3ffn);
    for (const privilege of [PRV_U, PRV_S]) {
      step(0, privilege);
      expect(machine.pc).toBe(BigInt(S_HANDLER));
      expect(machine.hart.privilege).toBe(PRV_S);
      expect((getCsr(Csr.mstatus) >> 8n) & 1n).toBe(BigInt(privilege));
      expect([getCsr(Csr.scause), getCsr(Csr.sepc)]).toEqual([2n, BigInt(RAM)]);
    }
    step(0, PRV_M);
    expect(machine.pc).toBe(BigInt(M_HANDLER));
  });

  it('is per cause', () => {
    setCsr(Csr.medeleg, 1n << 8n);
    step(encode(Op.ecall, 0, 0, 0, 0), PRV_U);
    expect(machine.hart.privilege).toBe(PRV_S);
    step(0, PRV_U);
    expect(machine.hart.privilege).toBe(PRV_M);
  });
});

describe('the stack of privileges and enables', () => {
  it('M: MIE and mode are pushed by the trap and popped by mret', () => {
    setCsr(Csr.mstatus, MIE);
    step(encode(Op.ecall, 0, 0, 0, 0), PRV_U);
    expect(getCsr(Csr.mstatus) & 0x1888n).toBe(1n << 7n);
    machine.load([encode(Op.mret, 0, 0, 0, 0)], M_HANDLER);
    machine.hart.run(1);
    expect(machine.hart.privilege).toBe(PRV_U);
    expect(machine.pc).toBe(BigInt(RAM));
    expect(getCsr(Csr.mstatus) & 0x1888n).toBe((1n << 7n) | MIE);
  });

  it('S: SIE and mode are pushed by the trap and popped by sret', () => {
    setCsr(Csr.medeleg, 1n << 9n);
    setCsr(Csr.mstatus, SIE);
    step(encode(Op.ecall, 0, 0, 0, 0), PRV_S);
    expect(getCsr(Csr.mstatus) & 0x122n).toBe((1n << 5n) | (1n << 8n));
    machine.load([encode(Op.sret, 0, 0, 0, 0)], S_HANDLER);
    machine.hart.run(1);
    expect(machine.hart.privilege).toBe(PRV_S);
    expect(getCsr(Csr.mstatus) & 0x122n).toBe((1n << 5n) | SIE);
  });

  it('MPRV falls on a return below M only', () => {
    const mprv = 1n << 17n;
    for (const [target, expected] of [
      [PRV_U, 0n],
      [PRV_S, 0n],
      [PRV_M, mprv],
    ] as const) {
      setCsr(Csr.mstatus, mprv | (BigInt(PRV_M) << 11n));
      setCsr(Csr.mstatus, mprv | (BigInt(target) << 11n));
      setCsr(Csr.mepc, BigInt(RAM));
      machine.load([encode(Op.mret, 0, 0, 0, 0)]);
      machine.hart.setPc(RAM | 0, 0);
      enter(PRV_M);
      machine.hart.run(1);
      expect(machine.hart.privilege).toBe(target);
      machine.hart.privilege = PRV_M;
      expect(getCsr(Csr.mstatus) & mprv).toBe(expected);
    }
  });
});

describe('interrupts', () => {
  it.each([
    ['machine', Irq.mtip, 0n, PRV_M, M_HANDLER],
    ['delegated', Irq.seip, 0x222n, PRV_S, S_HANDLER],
    ['not delegated', Irq.seip, 0n, PRV_M, M_HANDLER],
  ])(
    '%s: taken from U before the next instruction, which has not run',
    (_name, irq, mideleg, mode, handler) => {
      setCsr(Csr.mideleg, mideleg);
      setCsr(Csr.mie, 0xaaan);
      machine.hart.setPc(RAM | 0, 0);
      machine.load([NOP], handler);
      enter(PRV_U);
      machine.hart.setPending(irq, true);
      machine.hart.run(1);
      expect(machine.hart.privilege).toBe(mode);
      expect(machine.pc).toBe(BigInt(handler + 4));
      machine.hart.setPending(irq, false);
      const cause = (1n << 63n) | BigInt(irq);
      expect(getCsr(mode === PRV_S ? Csr.scause : Csr.mcause)).toBe(cause);
      expect(getCsr(mode === PRV_S ? Csr.sepc : Csr.mepc)).toBe(BigInt(RAM));
    },
  );

  it('wait for the enable of their own mode, and not for that of a lower one', () => {
    const taken = (privilege: number, irq: 5 | 7, status: bigint): boolean => {
      setCsr(Csr.mstatus, status);
      setCsr(Csr.mideleg, 0x222n);
      setCsr(Csr.mie, 1n << BigInt(irq));
      machine.load([NOP]);
      machine.load([NOP], M_HANDLER);
      machine.load([NOP], S_HANDLER);
      machine.hart.setPc(RAM | 0, 0);
      enter(privilege);
      machine.hart.setPending(irq, true);
      machine.hart.run(1);
      machine.hart.setPending(irq, false);
      enter(PRV_M);
      return machine.pc !== BigInt(RAM + 4);
    };
    expect([0n, MIE].map((status) => taken(PRV_M, Irq.mtip, status))).toEqual([false, true]);
    expect([0n, SIE].map((status) => taken(PRV_S, Irq.stip, status))).toEqual([false, true]);
    expect([PRV_S, PRV_U].map((mode) => taken(mode, Irq.mtip, 0n))).toEqual([true, true]);
    expect(taken(PRV_U, Irq.stip, 0n)).toBe(true);
    expect(taken(PRV_M, Irq.stip, MIE | SIE)).toBe(false);
  });

  it('go in the order of the manual', () => {
    const order: number[] = [];
    const all = [Irq.meip, Irq.msip, Irq.mtip, Irq.seip, Irq.ssip, Irq.stip];
    setCsr(Csr.mie, 0xaaan);
    for (const irq of all) machine.hart.setPending(irq, true);
    for (let i = 0; i < 6; i++) {
      machine.load([encode(Op.csrrs, 10, 0, 0, Csr.mcause)], M_HANDLER);
      machine.hart.setPc(RAM | 0, 0);
      enter(PRV_U);
      machine.hart.run(1);
      const irq = Number(machine.x(10) & 63n);
      order.push(irq);
      machine.hart.setPending(irq as 1, false);
    }
    expect(order).toEqual(all);
  });

  it('vectored mode offsets interrupts and not exceptions', () => {
    setCsr(Csr.mtvec, BigInt(M_HANDLER + 1));
    setCsr(Csr.mie, 0x80n);
    machine.load([NOP], M_HANDLER + 4 * Irq.mtip);
    machine.hart.setPc(RAM | 0, 0);
    enter(PRV_U);
    machine.hart.setPending(Irq.mtip, true);
    machine.hart.run(1);
    expect(machine.pc).toBe(BigInt(M_HANDLER + 4 * Irq.mtip + 4));
    machine.hart.setPending(Irq.mtip, false);
    step(0);
    expect(machine.pc).toBe(BigInt(M_HANDLER));
  });

  it('are noticed directly after the instruction that enables them', () => {
    setCsr(Csr.mie, 0x80n);
    machine.hart.setPending(Irq.mtip, true);
    machine.load([encode(Op.csrrsi, 0, 8, 0, Csr.mstatus), encode(Op.addi, 10, 0, 0, 1)]);
    machine.load([NOP], M_HANDLER);
    machine.hart.setPc(RAM | 0, 0);
    enter(PRV_M);
    machine.hart.run(2);
    expect(machine.pc).toBe(BigInt(M_HANDLER + 4));
    expect(machine.x(10)).toBe(0n);
  });
});

describe('wfi', () => {
  it('retires and exits while nothing is pending, whatever is enabled globally', () => {
    expect(step(encode(Op.wfi, 0, 0, 0, 0))).toBe(Exit.wfi);
    expect(machine.pc).toBe(BigInt(RAM + 4));
    expect(machine.hart.hasWakeup()).toBe(false);
    setCsr(Csr.mie, 0x80n);
    machine.hart.setPending(Irq.mtip, true);
    expect(machine.hart.hasWakeup()).toBe(true);
    expect(step(encode(Op.wfi, 0, 0, 0, 0))).toBe(Exit.budget);
    expect(machine.pc).toBe(BigInt(RAM + 4));
  });
});

describe('a handler that cannot be fetched', () => {
  const NOWHERE = 0x1000n;

  it('is a crash, at once and again, with the state at the handler', () => {
    setCsr(Csr.mtvec, NOWHERE);
    machine.load([0]);
    machine.hart.setPc(RAM | 0, 0);
    expect(machine.run(1000)).toBe(Exit.crash);
    expect(machine.run(1000)).toBe(Exit.crash);
    expect(machine.pc).toBe(NOWHERE);
  });

  it('takes a trap: a jump to that place traps once, and the state says where from', () => {
    setCsr(Csr.mtvec, NOWHERE);
    machine.hart.setPc(Number(NOWHERE), 0);
    expect(machine.run(1000)).toBe(Exit.crash);
    setCsr(Csr.mtvec, BigInt(M_HANDLER));
    expect([getCsr(Csr.mcause), getCsr(Csr.mepc)]).toEqual([BigInt(Cause.fetchAccess), NOWHERE]);
  });

  it('is none where the trap leads to another handler', () => {
    setCsr(Csr.stvec, NOWHERE);
    setCsr(Csr.medeleg, 1n << 2n);
    machine.load([NOP], M_HANDLER);
    machine.load([0]);
    machine.hart.setPc(RAM | 0, 0);
    enter(PRV_U);
    expect(machine.run(3)).toBe(Exit.budget);
    expect(machine.pc).toBe(BigInt(M_HANDLER + 4));
    expect(getCsr(Csr.mcause)).toBe(BigInt(Cause.fetchAccess));
    expect(getCsr(Csr.mepc)).toBe(NOWHERE);
  });

  it('is none once the handler has run an instruction', () => {
    machine.load([encode(Op.jalr, 0, 0, 0, 16)], M_HANDLER);
    machine.load([0]);
    machine.hart.setPc(RAM | 0, 0);
    expect(machine.run(100)).toBe(Exit.budget);
    expect(machine.hart.attempted - machine.hart.retired).toBeGreaterThan(30);
  });

  it('trap loops end with the budget', () => {
    machine.load([0], M_HANDLER);
    machine.hart.setPc(RAM | 0, 0);
    machine.load([0]);
    expect(machine.run(1000)).toBe(Exit.budget);
  });
});

describe('kick', () => {
  it('ends the run that is asked for next, once', () => {
    machine.load([encode(Op.jal, 0, 0, 0, 0)]);
    machine.hart.setPc(RAM | 0, 0);
    machine.hart.kick();
    expect(machine.hart.run(10)).toBe(Exit.kick);
    expect(machine.hart.budgetLeft).toBe(10);
    expect(machine.hart.run(10)).toBe(Exit.budget);
  });
});
