// What follows a privileged instruction, in WebAssembly: the context that it leads to, and whether an interrupt is to be
// taken now (updateContext() and takeableInterrupt() of regimes.ts and traps.ts).
//
// privileged.ts and fence.ts call it as the last thing that they do.
//
// Invariants: a context that the table of regimes.ts does not know, and a pending interrupt, are the run loop's: it
// answers with Leave.resync. Source: RISC-V Privileged ISA, "Supervisor Interrupt Registers (sip and sie)", "satp".

import {
  CONTEXT_HEADER_BYTES,
  DTLB_ENTRY_BYTES,
  HEADER_LAST_USE,
  type TlbGeometry,
} from '../../tlb/index.ts';
import { MENVCFG_HI_STCE, MIP_STIP } from '../architecture.ts';
import {
  BLOCK_BUDGET,
  BLOCK_CLOCK,
  BLOCK_CONTEXTS,
  BLOCK_DTLB,
  BLOCK_ITLB,
  BLOCK_LINES,
  BLOCK_PRIVILEGE,
  BLOCK_TABLES,
  BLOCK_TICK,
  BLOCK_TLB,
  csrOffset,
} from '../block.ts';
import {
  CONTEXT_ASID_SHIFT,
  CONTEXT_BASE,
  CONTEXT_ENTRIES,
  CONTEXT_ENTRY_BYTES,
  CONTEXT_MODE,
  CONTEXT_PRIVILEGE_SHIFT,
  CONTEXT_STATUS,
  CONTEXT_STATUS_SHIFT,
  CONTEXT_TABLES,
} from '../regimes.ts';
import { PrivilegedBody } from './privilegedBody.ts';
import { Leave } from './regionCode.ts';
import { type Code, Type, W } from './wasm.ts';

const MSTATUS = csrOffset('mstatus');

/** What follows an instruction that changes what the next one sees: updateContext(), and takeableInterrupt() or no. */
export class Settling extends PrivilegedBody {
  static readonly LOCALS = [[4, Type.i32]] as const;
  private readonly mode = 1;
  private readonly entry = 2;
  private readonly base = 3;
  private readonly enabled = 4;
  private readonly dtlbBytes: number;

  constructor({ dtlbEntries }: TlbGeometry) {
    super();
    this.dtlbBytes = dtlbEntries * DTLB_ENTRY_BYTES;
  }

  write(): Code {
    this.findContext();
    this.load(BLOCK_DTLB);
    this.code.get(this.base);
    this.code.byte(W.i32_ne);
    this.code.open(W.if);
    this.makeCurrent();
    this.code.byte(W.end);
    this.lookAtInterrupts();
    this.code.i32Const(0);
    return this.code;
  }

  private resyncIf(): void {
    this.code.open(W.if);
    this.code.i32Const(Leave.resync);
    this.code.byte(W.return);
    this.code.byte(W.end);
  }

  private findContext(): void {
    const { code, mode, entry, base } = this;
    this.has(MSTATUS, CONTEXT_STATUS);
    this.load(BLOCK_PRIVILEGE);
    code.byte(W.i32_or);
    code.set(mode);
    this.load(BLOCK_TABLES);
    this.load(BLOCK_TABLES + 4);
    code.i32Const(CONTEXT_ASID_SHIFT);
    code.byte(W.i32_shr_u);
    code.byte(W.i32_xor);
    code.get(mode);
    code.i32Const(CONTEXT_STATUS_SHIFT);
    code.byte(W.i32_shr_u);
    code.byte(W.i32_xor);
    code.get(mode);
    code.i32Const(CONTEXT_PRIVILEGE_SHIFT);
    code.byte(W.i32_shl);
    code.byte(W.i32_xor);
    code.i32Const(CONTEXT_ENTRIES - 1);
    code.byte(W.i32_and);
    code.i32Const(CONTEXT_ENTRY_BYTES);
    code.byte(W.i32_mul);
    code.get(this.cpu);
    code.byte(W.i32_add);
    code.tee(entry);
    code.memory(W.i64_load, BLOCK_CONTEXTS + CONTEXT_TABLES);
    this.load64(BLOCK_TABLES);
    code.byte(W.i64_ne);
    code.get(entry);
    code.memory(W.i32_load, BLOCK_CONTEXTS + CONTEXT_MODE);
    code.get(mode);
    code.byte(W.i32_ne);
    code.byte(W.i32_or);
    this.resyncIf();
    code.get(entry);
    code.memory(W.i32_load, BLOCK_CONTEXTS + CONTEXT_BASE);
    code.set(base);
  }

  /** FirstLevel.select(). */
  private makeCurrent(): void {
    const { code, base, entry } = this;
    code.get(this.cpu);
    code.get(base);
    code.memory(W.i32_store, BLOCK_DTLB);
    code.get(this.cpu);
    code.get(base);
    code.i32Const(this.dtlbBytes);
    code.byte(W.i32_add);
    code.memory(W.i32_store, BLOCK_ITLB);
    this.load(BLOCK_TLB);
    code.tee(entry);
    code.get(entry);
    code.memory(W.i64_load, 0);
    code.i64Const(1);
    code.byte(W.i64_add);
    code.memory(W.i64_store, 0);
    code.get(base);
    code.i32Const(HEADER_LAST_USE - CONTEXT_HEADER_BYTES);
    code.byte(W.i32_add);
    code.get(entry);
    code.memory(W.i64_load, 0);
    code.memory(W.i64_store, 0);
  }

  /** Resyncs where one that is enabled is pending, taken or not. */
  private lookAtInterrupts(): void {
    const { code, enabled } = this;
    this.load(csrOffset('mie'));
    code.tee(enabled);
    code.byte(W.i32_eqz);
    code.open(W.if);
    code.i32Const(0);
    code.byte(W.return);
    code.byte(W.end);
    this.has(csrOffset('menvcfg') + 4, MENVCFG_HI_STCE);
    code.open(W.if);
    this.lookAtTimer();
    code.get(enabled);
    code.i32Const(~MIP_STIP);
    code.byte(W.i32_and);
    code.set(enabled);
    code.byte(W.end);
    this.load(csrOffset('mip'));
    this.load(BLOCK_LINES);
    code.byte(W.i32_or);
    code.get(enabled);
    code.byte(W.i32_and);
    this.resyncIf();
  }

  /** With Sstc, where the timer interrupt is enabled. */
  private lookAtTimer(): void {
    const { code, enabled } = this;
    code.get(enabled);
    code.i32Const(MIP_STIP);
    code.byte(W.i32_and);
    code.open(W.if);
    this.load64(BLOCK_TICK);
    code.byte(W.i64_eqz);
    this.resyncIf();
    this.load64(BLOCK_CLOCK);
    this.load(BLOCK_BUDGET);
    code.byte(W.i64_extend_i32_u);
    code.byte(W.i64_sub);
    this.load64(BLOCK_TICK);
    code.byte(W.i64_div_u);
    this.load64(csrOffset('stimecmp'));
    code.byte(W.i64_ge_u);
    this.resyncIf();
    code.byte(W.end);
  }
}
