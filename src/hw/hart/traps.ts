// Traps: entry into a handler for an exception or an interrupt, and the return from one.
//
// Called by system.ts and access.ts for exceptions, by run() for interrupts, by kvm through Hart.raise(). The block's pc
// is the instruction that trapped; afterwards it is the handler's first.
//
// Source: RISC-V Privileged ISA, "Trap Handling", "Machine Trap Delegation Registers", "Trap-Return Instructions".
// Invariants: a trap never goes to a less privileged mode; an exception uses up one unit of budget, an interrupt none.

import {
  Cause,
  MSTATUS_MIE,
  MSTATUS_MPIE,
  MSTATUS_MPP,
  MSTATUS_MPP_SHIFT,
  MSTATUS_MPRV,
  MSTATUS_SIE,
  MSTATUS_SPIE,
  MSTATUS_SPP,
  PRV_M,
  PRV_S,
  PRV_U,
} from './architecture.ts';
import { BLOCK_PC, Exit } from './block.ts';
import type { Hart } from './hart.ts';
import { updateContext } from './regimes.ts';
import { SLOT } from './slots.ts';

const PC = BLOCK_PC >> 2;
const INTERRUPT_HI = 1 << 31;

const isFetchFault = (cause: number): boolean =>
  cause === Cause.fetchAccess || cause === Cause.fetchPageFault || cause === Cause.fetchMisaligned;

/**
 * Delivers an exception at the block's pc. Where that is a handler's first instruction, which cannot be fetched, and the
 * trap would lead to the same one again, nothing can ever run: the state stays, and the exit is a crash.
 */
export function takeException(hart: Hart, cause: number, tvalLo: number, tvalHi: number): void {
  const { block } = hart;
  const delegated = hart.privilege <= PRV_S && ((block[SLOT.medeleg]! >>> cause) & 1) !== 0;
  const target = delegated ? PRV_S : PRV_M;
  if (isFetchFault(cause) && hart.isAtFreshHandler() && leadsBack(hart, target)) {
    hart.exit(Exit.crash);
    return;
  }
  hart.countTrap();
  enter(hart, target, cause, 0, tvalLo, tvalHi);
}

/** Takes interrupt `irq`, which takeableInterrupt() chose. */
export function takeInterrupt(hart: Hart, irq: number): void {
  const delegated = ((hart.block[SLOT.mideleg]! >>> irq) & 1) !== 0;
  enter(hart, delegated ? PRV_S : PRV_M, irq, INTERRUPT_HI, 0, 0);
}

function leadsBack(hart: Hart, target: number): boolean {
  const { block } = hart;
  const vector = target === PRV_S ? SLOT.stvec : SLOT.mtvec;
  const isHandler = block[PC] === (block[vector]! & ~3) && block[PC + 1] === block[vector + 1];
  return isHandler && hart.privilege === target;
}

function enter(
  hart: Hart,
  target: number,
  cause: number,
  causeHi: number,
  tvalLo: number,
  tvalHi: number,
): void {
  const supervisor = target === PRV_S;
  putPair(hart, supervisor ? SLOT.sepc : SLOT.mepc, hart.block[PC]!, hart.block[PC + 1]!);
  putPair(hart, supervisor ? SLOT.scause : SLOT.mcause, cause, causeHi);
  putPair(hart, supervisor ? SLOT.stval : SLOT.mtval, tvalLo, tvalHi);
  if (supervisor) stackSupervisor(hart);
  else stackMachine(hart);
  jumpToVector(hart, supervisor ? SLOT.stvec : SLOT.mtvec, causeHi === 0 ? 0 : cause);
  hart.privilege = target;
  hart.noteFreshHandler();
  updateContext(hart);
}

function putPair(hart: Hart, at: number, lo: number, hi: number): void {
  hart.block[at] = lo;
  hart.block[at + 1] = hi;
}

function stackSupervisor(hart: Hart): void {
  const old = hart.block[SLOT.mstatus]!;
  const kept = old & ~(MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_SIE);
  const spp = hart.privilege === PRV_U ? 0 : MSTATUS_SPP;
  hart.block[SLOT.mstatus] = kept | spp | ((old & MSTATUS_SIE) !== 0 ? MSTATUS_SPIE : 0);
}

function stackMachine(hart: Hart): void {
  const old = hart.block[SLOT.mstatus]!;
  const kept = old & ~(MSTATUS_MPP | MSTATUS_MPIE | MSTATUS_MIE);
  const mpp = hart.privilege << MSTATUS_MPP_SHIFT;
  hart.block[SLOT.mstatus] = kept | mpp | ((old & MSTATUS_MIE) !== 0 ? MSTATUS_MPIE : 0);
}

/** Vectored mode adds four times the cause of an interrupt. */
function jumpToVector(hart: Hart, vector: number, interrupt: number): void {
  const tvec = hart.block[vector]!;
  const base = tvec & ~3;
  const lo = (base + ((tvec & 1) !== 0 ? 4 * interrupt : 0)) | 0;
  const carry = lo >>> 0 < base >>> 0 ? 1 : 0;
  putPair(hart, PC, lo, hart.block[vector + 1]! + carry);
}

/** mret: back to MPP; MPP becomes U, and MPRV 0 below M. */
export function returnFromMachine(hart: Hart): void {
  const old = hart.block[SLOT.mstatus]!;
  const privilege = (old & MSTATUS_MPP) >>> MSTATUS_MPP_SHIFT;
  const kept = old & ~(MSTATUS_MPP | MSTATUS_MIE | (privilege === PRV_M ? 0 : MSTATUS_MPRV));
  const mie = (old & MSTATUS_MPIE) !== 0 ? MSTATUS_MIE : 0;
  resume(hart, kept | mie | MSTATUS_MPIE, privilege, SLOT.mepc);
}

/** sret: back to SPP; SPP becomes U, MPRV 0. */
export function returnFromSupervisor(hart: Hart): void {
  const old = hart.block[SLOT.mstatus]!;
  const kept = old & ~(MSTATUS_SPP | MSTATUS_SIE | MSTATUS_MPRV);
  const sie = (old & MSTATUS_SPIE) !== 0 ? MSTATUS_SIE : 0;
  resume(hart, kept | sie | MSTATUS_SPIE, (old & MSTATUS_SPP) !== 0 ? PRV_S : PRV_U, SLOT.sepc);
}

function resume(hart: Hart, mstatus: number, privilege: number, epc: number): void {
  hart.block[SLOT.mstatus] = mstatus;
  hart.privilege = privilege;
  putPair(hart, PC, hart.block[epc]!, hart.block[epc + 1]!);
  hart.countRetired();
  updateContext(hart);
}
