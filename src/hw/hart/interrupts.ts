// Interrupts: what is pending, and what would be taken now.
//
// run() asks before each stretch of execution, and after instructions that can enable one; the board raises lines between
// runs with Hart.setPending().
//
// Source: RISC-V Privileged ISA, "Machine Interrupt (mip and mie) Registers"; Sstc for STIP. Invariant: an interrupt
// delegated to S is never taken in M.

import { fromWords } from '../../units.ts';
import { Irq, MENVCFG_HI_STCE, MIP_STIP, MSTATUS_MIE, MSTATUS_SIE, PRV_M, PRV_S } from './architecture.ts';
import type { Hart } from './hart.ts';
import { SLOT } from './slots.ts';

/** Highest priority first. */
const PRIORITY = [Irq.meip, Irq.msip, Irq.mtip, Irq.seip, Irq.ssip, Irq.stip] as const;

export const NO_INTERRUPT = -1;

/** mip as M reads it: what software wrote, the lines, and the supervisor timer. */
export function pendingInterrupts(hart: Hart): number {
  const pending = hart.block[SLOT.mip]! | hart.interruptLines;
  const stce = (hart.block[SLOT.menvcfg + 1]! & MENVCFG_HI_STCE) !== 0;
  if (!stce) return pending;
  return hart.readTime() >= supervisorDeadline(hart) ? pending | MIP_STIP : pending & ~MIP_STIP;
}

/** stimecmp as a number of ticks; beyond 2^53 it is inexact, and unreachable. */
export const supervisorDeadline = (hart: Hart): number =>
  fromWords(hart.block[SLOT.stimecmp]!, hart.block[SLOT.stimecmp + 1]! >>> 0);

/** The interrupt that would be taken before the next instruction, or NO_INTERRUPT. */
export function takeableInterrupt(hart: Hart): number {
  const enabled = hart.block[SLOT.mie]!;
  if (enabled === 0) return NO_INTERRUPT;
  const pending = pendingInterrupts(hart) & enabled;
  if (pending === 0) return NO_INTERRUPT;
  const delegated = hart.block[SLOT.mideleg]!;
  const mstatus = hart.block[SLOT.mstatus]!;
  const machine = hart.privilege < PRV_M || (mstatus & MSTATUS_MIE) !== 0;
  const supervisor = hart.privilege < PRV_S || (hart.privilege === PRV_S && (mstatus & MSTATUS_SIE) !== 0);
  const forMachine = machine ? pending & ~delegated : 0;
  const forSupervisor = supervisor ? pending & delegated : 0;
  return highest(forMachine !== 0 ? forMachine : forSupervisor);
}

function highest(candidates: number): number {
  for (const irq of PRIORITY) if ((candidates & (1 << irq)) !== 0) return irq;
  return NO_INTERRUPT;
}
