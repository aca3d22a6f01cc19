// Privileged instructions in WebAssembly: ecall, sret and mret, writes of sstatus and satp, sfence.vma; what traps.ts,
// csr.ts, regimes.ts and hw/tlb do for the interpreter, instruction by instruction.
//
// A region leaves before such an instruction, with the decoded word in the vCPU block; the dispatcher, whose module holds
// these functions, executes it and goes on where it leads. What is not granted or not plain is left to the interpreter.
// A context that the table of regimes.ts does not know, and a pending interrupt, are the run loop's.
//
// Invariants: state, counts and the TLB are afterwards what the interpreter leaves. An instruction that the budget does
// not pay for is not executed.
//
// Source: RISC-V Privileged ISA, "Trap Handling", "Trap-Return Instructions", "Supervisor Instructions"; "Zicsr".

import { Csr, Op, opOf, rdOf, rs1Of } from '../../isa/index.ts';
import type { TlbGeometry } from '../../tlb/index.ts';
import { CsrBody } from './csrBodies.ts';
import { CLEAR_TYPE, emitClear, FenceBody } from './fence.ts';
import type { FunctionType, WasmFunction } from './module.ts';
import { Leave, type LeaveCode } from './regionCode.ts';
import { Settling } from './settling.ts';
import { TrapBody } from './trapBodies.ts';
import { type Code, Type } from './wasm.ts';

/** How a region leaves for an instruction that is executed here; null: the interpreter executes it. */
export function privilegedLeave(word: number, imm: number): LeaveCode | null {
  const op = opOf(word);
  if (op === Op.ecall) return Leave.ecall;
  if (op === Op.mret) return Leave.mret;
  if (op === Op.sret) return Leave.sret;
  if (op === Op.sfence_vma) return Leave.fence;
  if (op < Op.csrrw || op > Op.csrrci) return null;
  if (imm === Csr.sstatus) return Leave.status;
  return imm === Csr.satp && op === Op.csrrw && rdOf(word) === 0 && rs1Of(word) !== 0 ? Leave.satp : null;
}

/** (vCPU block) -> 0 or a Leave code. */
export const PRIVILEGED_TYPE: FunctionType = { params: [Type.i32], results: [Type.i32] };
export const PRIVILEGED_TYPES = [PRIVILEGED_TYPE, CLEAR_TYPE] as const;

/** By which Leave a function of emitPrivileged(), from the third on, is called. */
const CALLED_BY: readonly LeaveCode[] = [
  Leave.ecall,
  Leave.mret,
  Leave.sret,
  Leave.status,
  Leave.satp,
  Leave.fence,
];
const CALLED_FROM = 2;

/** Leave codes that the dispatcher answers by a call, and the place of the function among these. */
export const PRIVILEGED_CALLS: readonly (readonly [why: LeaveCode, index: number])[] = CALLED_BY.map(
  (why, i) => [why, CALLED_FROM + i],
);

/** The functions; the module has them from `first` on, and PRIVILEGED_TYPES from `types` on. */
export function emitPrivileged(tlb: TlbGeometry, types: number, first: number): WasmFunction[] {
  const clear = first;
  const settle = first + 1;
  const bodies: [Code, WasmFunction['locals']][] = [
    [new Settling(tlb).write(), Settling.LOCALS],
    [new TrapBody(settle).ecall(), TrapBody.LOCALS],
    [new TrapBody(settle).mret(), TrapBody.LOCALS],
    [new TrapBody(settle).sret(), TrapBody.LOCALS],
    [new CsrBody(settle).writeStatus(), CsrBody.LOCALS],
    [new CsrBody(settle).writeSatp(), CsrBody.LOCALS],
    [new FenceBody(tlb, clear, settle).write(), FenceBody.LOCALS],
  ];
  return [emitClear(types + 1), ...bodies.map(([body, locals]) => ({ type: types, locals, body }))];
}
