// System instructions: CSR access, environment calls, trap returns, WFI and the fences, and illegal instructions.
//
// Called by execute.ts with the block's pc and budget at the instruction. Each answers how the interpreter goes on.
//
// Source: RISC-V Privileged ISA, "Machine-Mode Privileged Instructions", "Supervisor Instructions"; mstatus.TVM, TW and
// TSR; Unprivileged ISA, "Zicsr". Invariant: an instruction that changes what the next one sees (mode, translation,
// interrupts) retires here and answers resync.

import { fromWords, isCanonical } from '../../units.ts';
import { lengthOf, Op, opOf, rdOf, rs1Of, rs2Of } from '../isa/index.ts';
import { Cause, MSTATUS_TSR, MSTATUS_TVM, MSTATUS_TW, PRV_M, PRV_S, PRV_U } from './architecture.ts';
import { BLOCK_PC, Exit } from './block.ts';
import { accessibleCsr, type CsrRow } from './csr.ts';
import type { Hart } from './hart.ts';
import { hasWakeup } from './interrupts.ts';
import { SLOT } from './slots.ts';
import { fenceTranslations } from './translationOrders.ts';
import { returnFromMachine, returnFromSupervisor, takeException } from './traps.ts';
import { Word64 } from './word64.ts';

/** How the interpreter goes on after an instruction that it did not execute itself. */
export const Step = {
  /** Retire it and go on with the next. */
  next: 0,
  /** The block holds the state: the instruction retired, trapped or exited. */
  resync: 1,
} as const;
export type StepCode = (typeof Step)[keyof typeof Step];

export function illegalInstruction(hart: Hart, bits: number): StepCode {
  takeException(hart, Cause.illegalInstruction, bits, 0);
  return Step.resync;
}

const old = new Word64();
const current = new Word64();

export function csrInstruction(hart: Hart, w: number, imm: number): StepCode {
  const op = opOf(w);
  const swaps = op === Op.csrrw || op === Op.csrrwi;
  const writes = swaps || rs1Of(w) !== 0;
  const row = accessibleCsr(hart, imm & 0xfff, writes);
  if (row === undefined) return illegalInstruction(hart, hart.instructionBits(w, imm));
  const zimm = op >= Op.csrrwi;
  const sourceLo = zimm ? rs1Of(w) : hart.block[rs1Of(w) * 2]!;
  const sourceHi = zimm ? 0 : hart.block[rs1Of(w) * 2 + 1]!;
  if (!swaps || rdOf(w) !== 0) row.read(hart, old);
  if (writes) writeCsr(hart, row, op, sourceLo, sourceHi);
  hart.setX(rdOf(w), old.lo, old.hi);
  if (!writes || row.resync !== true) return Step.next;
  return retired(hart, w);
}

function writeCsr(hart: Hart, row: CsrRow, op: number, lo: number, hi: number): void {
  if (row.write === undefined) return;
  (row.readForUpdate ?? row.read)(hart, current);
  if (op === Op.csrrw || op === Op.csrrwi) row.write(hart, lo, hi);
  else if (op === Op.csrrs || op === Op.csrrsi) row.write(hart, current.lo | lo, current.hi | hi);
  else row.write(hart, current.lo & ~lo, current.hi & ~hi);
}

/** Advances past an instruction whose effect is done. */
function retired(hart: Hart, w: number): StepCode {
  hart.advance(lengthOf(w));
  return Step.resync;
}

const ECALL = [Cause.userEcall, Cause.supervisorEcall, 0, Cause.machineEcall] as const;

export function ecall(hart: Hart): StepCode {
  takeException(hart, ECALL[hart.privilege]!, 0, 0);
  return Step.resync;
}

/** The trap value is the instruction's own address, as in Spike. */
export function ebreak(hart: Hart): StepCode {
  takeException(hart, Cause.breakpoint, hart.block[BLOCK_PC >> 2]!, hart.block[(BLOCK_PC >> 2) + 1]!);
  return Step.resync;
}

const statusHas = (hart: Hart, bit: number): boolean => (hart.block[SLOT.mstatus]! & bit) !== 0;

export function mret(hart: Hart, w: number, imm: number): StepCode {
  if (hart.privilege !== PRV_M) return illegalInstruction(hart, hart.instructionBits(w, imm));
  returnFromMachine(hart);
  return Step.resync;
}

export function sret(hart: Hart, w: number, imm: number): StepCode {
  const allowed = hart.privilege === PRV_M || (hart.privilege === PRV_S && !statusHas(hart, MSTATUS_TSR));
  if (!allowed) return illegalInstruction(hart, hart.instructionBits(w, imm));
  returnFromSupervisor(hart);
  return Step.resync;
}

/** Illegal in U, and below M with TW: no bounded wait is tried. */
export function wfi(hart: Hart, w: number, imm: number): StepCode {
  const allowed = hart.privilege === PRV_M || (hart.privilege === PRV_S && !statusHas(hart, MSTATUS_TW));
  if (!allowed) return illegalInstruction(hart, hart.instructionBits(w, imm));
  if (!hasWakeup(hart)) hart.exit(Exit.wfi);
  return retired(hart, w);
}

export function sfenceVma(hart: Hart, w: number, imm: number): StepCode {
  const allowed = hart.privilege !== PRV_U && !(hart.privilege === PRV_S && statusHas(hart, MSTATUS_TVM));
  if (!allowed) return illegalInstruction(hart, hart.instructionBits(w, imm));
  const lo = hart.block[rs1Of(w) * 2]!;
  const hi = hart.block[rs1Of(w) * 2 + 1]!;
  const page = rs1Of(w) === 0 ? null : fromWords(lo & ~4095, hi);
  const asid = rs2Of(w) === 0 ? null : hart.block[rs2Of(w) * 2]! & 0xffff;
  // An address that is no valid virtual address: no effect.
  if (page === null || isCanonical(page)) fenceTranslations(hart, page, asid);
  return retired(hart, w);
}
