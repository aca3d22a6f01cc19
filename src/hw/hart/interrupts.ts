// Interrupts: what is pending, and what would be taken now.
//
// run() asks before each stretch of execution, and after instructions that can enable one; the board raises lines between
// runs, through Hart.
//
// Source: RISC-V Privileged ISA, "Machine Interrupt (mip and mie) Registers"; Sstc for STIP. Invariant: an interrupt
// delegated to S is never taken in M.

import { fromWords } from '../../units.ts';
import {
  Irq,
  type IrqNumber,
  MENVCFG_HI_STCE,
  MIP_ALL,
  MIP_SSIP,
  MIP_STIP,
  MSTATUS_MIE,
  MSTATUS_SIE,
  PRV_M,
  PRV_S,
} from './architecture.ts';
import { BLOCK_LINES } from './block.ts';
import type { Hart } from './hart.ts';
import { SLOT } from './slots.ts';

/** Highest priority first. */
const PRIORITY = [Irq.meip, Irq.msip, Irq.mtip, Irq.seip, Irq.ssip, Irq.stip] as const;

export const NO_INTERRUPT = -1;

/** What devices hold up: MTIP, MSIP, MEIP, SEIP. */
const LINES = BLOCK_LINES >> 2;

/** Puts a line, or the bit that software writes too, at `level`. */
export function putPending({ block }: Hart, irq: IrqNumber, level: boolean): void {
  const bit = 1 << irq;
  const isLine = (bit & MIP_ALL & ~(MIP_SSIP | MIP_STIP)) !== 0;
  const at = isLine ? LINES : SLOT.mip;
  block[at] = level ? block[at]! | bit : block[at]! & ~bit;
}

/** mip as M reads it: what software wrote, the lines, and the supervisor timer. */
export function pendingInterrupts(hart: Hart): number {
  const pending = hart.block[SLOT.mip]! | hart.block[LINES]!;
  if (!hasSupervisorTimer(hart)) return pending;
  return hart.readTime() >= supervisorDeadline(hart) ? pending | MIP_STIP : pending & ~MIP_STIP;
}

export const hasWakeup = (hart: Hart): boolean => (pendingInterrupts(hart) & hart.block[SLOT.mie]!) !== 0;

/** Sstc, and menvcfg.STCE. */
const hasSupervisorTimer = ({ block }: Hart): boolean => (block[SLOT.menvcfg + 1]! & MENVCFG_HI_STCE) !== 0;

export const timerDeadline = (hart: Hart): number =>
  hasSupervisorTimer(hart) ? supervisorDeadline(hart) : Number.POSITIVE_INFINITY;

/** stimecmp as a number of ticks; beyond 2^53 it is inexact, and unreachable. */
const supervisorDeadline = (hart: Hart): number =>
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
