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
  MSTATUS_TSR,
  MSTATUS_TVM,
  PRV_M,
  PRV_S,
  PRV_U,
  SATP_SV39,
} from '../architecture.ts';
import {
  BLOCK_ATTEMPTS,
  BLOCK_BUDGET,
  BLOCK_GRANT,
  BLOCK_HANDLER,
  BLOCK_PC,
  BLOCK_PRIVILEGE,
  BLOCK_ROOTS,
  BLOCK_SHADOW_ROOT,
  BLOCK_TABLES,
  BLOCK_TRAPPED,
  BLOCK_X,
  csrOffset,
  GRANTED_ROOT_BYTES,
  GRANTED_ROOTS,
  Grant,
} from '../block.ts';
import { SSTATUS_MASK } from '../csr.ts';
import { emitStatus } from './csrAccess.ts';
import { CLEAR_TYPE, emitClear, FenceBody } from './fence.ts';
import { PrivilegedBody } from './privilegedBody.ts';
import { Leave, type LeaveCode } from './regionCode.ts';
import { Settling } from './settling.ts';
import { type Code, type FunctionType, Type, W, type WasmFunction } from './wasm.ts';

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
  const { LOCALS } = Instruction;
  const bodies: [Code, WasmFunction['locals']][] = [
    [new Settling(tlb).write(), Settling.LOCALS],
    [new Instruction(settle).ecall(), LOCALS],
    [new Instruction(settle).mret(), LOCALS],
    [new Instruction(settle).sret(), LOCALS],
    [new Instruction(settle).writeStatus(), LOCALS],
    [new Instruction(settle).writeSatp(), LOCALS],
    [new FenceBody(tlb, clear, settle).write(), FenceBody.LOCALS],
  ];
  return [emitClear(types + 1), ...bodies.map(([body, locals]) => ({ type: types, locals, body }))];
}

const MSTATUS = csrOffset('mstatus');

interface TrapRegisters {
  readonly epc: number;
  readonly cause: number;
  readonly tval: number;
  readonly tvec: number;
}

const MACHINE: TrapRegisters = {
  epc: csrOffset('mepc'),
  cause: csrOffset('mcause'),
  tval: csrOffset('mtval'),
  tvec: csrOffset('mtvec'),
};
const SUPERVISOR: TrapRegisters = {
  epc: csrOffset('sepc'),
  cause: csrOffset('scause'),
  tval: csrOffset('stval'),
  tvec: csrOffset('stvec'),
};

class Instruction extends PrivilegedBody {
  static readonly LOCALS = [
    [3, Type.i32],
    [2, Type.i64],
  ] as const;
  private readonly word = 1;
  private readonly status = 2;
  private readonly grant = 3;
  private readonly old = 4;
  private readonly value = 5;
  private readonly settle: number;

  /** `settle`: index of Settling's function. */
  constructor(settle: number) {
    super();
    this.settle = settle;
  }

  // Traps

  /** takeException() of an environment call, which cannot lead back to where it was made. */
  ecall(): Code {
    const { code } = this;
    this.refuseUnpaid();
    this.add(BLOCK_BUDGET, -1);
    this.add64(BLOCK_TRAPPED, 1);
    code.get(this.cpu);
    this.load64(BLOCK_ATTEMPTS);
    this.load(BLOCK_BUDGET);
    code.byte(W.i64_extend_i32_u);
    code.byte(W.i64_sub);
    code.memory(W.i64_store, BLOCK_HANDLER);
    this.load(csrOffset('medeleg'));
    this.cause();
    code.byte(W.i32_shr_u);
    this.load(BLOCK_PRIVILEGE);
    code.i32Const(PRV_M);
    code.byte(W.i32_lt_u);
    code.byte(W.i32_and);
    code.open(W.if);
    this.enter(SUPERVISOR, PRV_S, () => this.stackSupervisor());
    code.byte(W.else);
    this.enter(MACHINE, PRV_M, () => this.stackMachine());
    code.byte(W.end);
    this.tailCall(this.settle);
    return code;
  }

  /** The environment calls of the modes have causes in a row. */
  private cause(): void {
    this.load(BLOCK_PRIVILEGE);
    this.code.i32Const(Cause.userEcall);
    this.code.byte(W.i32_add);
  }

  /** `stack` pushes mstatus. */
  private enter({ epc, cause, tval, tvec }: TrapRegisters, mode: number, stack: () => void): void {
    const { code, cpu } = this;
    this.copy64(epc, BLOCK_PC);
    code.get(cpu);
    this.cause();
    code.byte(W.i64_extend_i32_u);
    code.memory(W.i64_store, cause);
    code.get(cpu);
    code.i64Const(0);
    code.memory(W.i64_store, tval);
    code.get(cpu);
    stack();
    code.memory(W.i32_store, MSTATUS);
    code.get(cpu);
    this.load64(tvec);
    code.i64Const(-4);
    code.byte(W.i64_and);
    code.memory(W.i64_store, BLOCK_PC);
    code.get(cpu);
    code.i32Const(mode);
    code.memory(W.i32_store, BLOCK_PRIVILEGE);
  }

  private stackSupervisor(): void {
    this.has(MSTATUS, ~(MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_SIE));
    this.select(MSTATUS_SPP, 0, () => this.load(BLOCK_PRIVILEGE));
    this.select(MSTATUS_SPIE, 0, () => this.has(MSTATUS, MSTATUS_SIE));
  }

  private stackMachine(): void {
    const { code } = this;
    this.has(MSTATUS, ~(MSTATUS_MPP | MSTATUS_MPIE | MSTATUS_MIE));
    this.load(BLOCK_PRIVILEGE);
    code.i32Const(MSTATUS_MPP_SHIFT);
    code.byte(W.i32_shl);
    code.byte(W.i32_or);
    this.select(MSTATUS_MPIE, 0, () => this.has(MSTATUS, MSTATUS_MIE));
  }

  /** Ors one of two values to the i32 on the stack: the first if what `condition` pushes is not 0. */
  private select(then: number, otherwise: number, condition: () => void): void {
    const { code } = this;
    code.i32Const(then);
    code.i32Const(otherwise);
    condition();
    code.byte(W.select);
    code.byte(W.i32_or);
  }

  // Returns

  /** returnFromMachine(). */
  mret(): Code {
    const { code, status } = this;
    this.refuseUnpaid();
    this.isPrivilege(PRV_M);
    code.byte(W.i32_eqz);
    this.refuseIf();
    this.load(MSTATUS);
    code.set(status);
    code.get(this.cpu);
    this.of(status, MSTATUS_MPP);
    code.i32Const(MSTATUS_MPP_SHIFT);
    code.byte(W.i32_shr_u);
    code.memory(W.i32_store, BLOCK_PRIVILEGE);
    code.get(this.cpu);
    this.of(status, ~(MSTATUS_MPP | MSTATUS_MIE | MSTATUS_MPRV));
    this.select(MSTATUS_MIE | MSTATUS_MPIE, MSTATUS_MPIE, () => this.of(status, MSTATUS_MPIE));
    // MPRV stays in M mode alone.
    this.of(status, MSTATUS_MPRV);
    code.i32Const(0);
    this.isPrivilege(PRV_M);
    code.byte(W.select);
    code.byte(W.i32_or);
    code.memory(W.i32_store, MSTATUS);
    return this.resumeAt(csrOffset('mepc'));
  }

  /** returnFromSupervisor(). */
  sret(): Code {
    const { code, status } = this;
    this.refuseUnpaid();
    this.refuseUser();
    this.refuseSupervisorIf(MSTATUS_TSR);
    this.load(MSTATUS);
    code.set(status);
    code.get(this.cpu);
    code.i32Const(PRV_S);
    code.i32Const(PRV_U);
    this.of(status, MSTATUS_SPP);
    code.byte(W.select);
    code.memory(W.i32_store, BLOCK_PRIVILEGE);
    code.get(this.cpu);
    this.of(status, ~(MSTATUS_SPP | MSTATUS_SIE | MSTATUS_MPRV));
    this.select(MSTATUS_SIE | MSTATUS_SPIE, MSTATUS_SPIE, () => this.of(status, MSTATUS_SPIE));
    code.memory(W.i32_store, MSTATUS);
    return this.resumeAt(csrOffset('sepc'));
  }

  private resumeAt(epc: number): Code {
    this.copy64(BLOCK_PC, epc);
    this.add(BLOCK_BUDGET, -1);
    this.tailCall(this.settle);
    return this.code;
  }

  /** Pushes some bits of a local. */
  private of(local: number, bits: number): void {
    this.code.get(local);
    this.code.i32Const(bits);
    this.code.byte(W.i32_and);
  }

  // CSRs

  /** Any of the CSR instructions, on sstatus. */
  writeStatus(): Code {
    const { code, cpu, word, old, value } = this;
    this.refuseUnpaid();
    this.refuseUser();
    this.loadWord();
    code.set(word);
    emitStatus(code, cpu);
    code.set(old);
    this.source();
    this.combine();
    code.set(value);
    code.get(cpu);
    this.has(MSTATUS, ~SSTATUS_MASK);
    code.get(value);
    code.byte(W.i32_wrap_i64);
    code.i32Const(SSTATUS_MASK);
    code.byte(W.i32_and);
    code.byte(W.i32_or);
    code.memory(W.i32_store, MSTATUS);
    this.names(word, 'rd');
    code.open(W.if);
    this.place(word, 'rd');
    code.get(old);
    code.memory(W.i64_store, BLOCK_X);
    code.byte(W.end);
    this.retire();
    this.tailCall(this.settle);
    return code;
  }

  /** value = the operand: a register, or its number. */
  private source(): void {
    const { code, word, value } = this;
    this.names(word, 'rs1');
    code.i32Const(3);
    code.byte(W.i32_shr_u);
    code.byte(W.i64_extend_i32_u);
    this.register(word, 'rs1');
    this.of(word, 255);
    code.i32Const(Op.csrrwi);
    code.byte(W.i32_lt_u);
    code.byte(W.i32_eqz);
    code.byte(W.select);
    code.set(value);
  }

  /** Pushes the operand, the old value with it set, or cleared. */
  private combine(): void {
    const { code, old, value } = this;
    code.get(value);
    code.get(old);
    code.get(value);
    code.byte(W.i64_or);
    this.isOneOf(Op.csrrw, Op.csrrwi);
    code.byte(W.select);
    code.get(old);
    code.get(value);
    code.i64Const(-1);
    code.byte(W.i64_xor);
    code.byte(W.i64_and);
    this.isOneOf(Op.csrrc, Op.csrrci);
    code.byte(W.i32_eqz);
    code.byte(W.select);
  }

  private isOneOf(one: number, other: number): void {
    const { code, word } = this;
    this.of(word, 255);
    code.i32Const(one);
    code.byte(W.i32_eq);
    this.of(word, 255);
    code.i32Const(other);
    code.byte(W.i32_eq);
    code.byte(W.i32_or);
  }

  /** csrw satp: writeSatp() of translationOrders.ts, without an exit. */
  writeSatp(): Code {
    const { code, cpu, word, value } = this;
    this.refuseUnpaid();
    this.refuseUser();
    this.refuseSupervisorIf(MSTATUS_TVM);
    this.loadWord();
    code.set(word);
    this.register(word, 'rs1');
    code.tee(value);
    code.i64Const(60);
    code.byte(W.i64_shr_u);
    code.i64Const(SATP_SV39);
    code.byte(W.i64_ne);
    this.refuseIf();
    this.has(BLOCK_GRANT, Grant.all);
    code.open(W.if);
    code.get(cpu);
    code.get(value);
    code.memory(W.i64_store, BLOCK_TABLES);
    code.byte(W.else);
    this.useGrantedRoot();
    code.byte(W.end);
    code.get(cpu);
    code.get(value);
    code.memory(W.i64_store, csrOffset('satp'));
    this.retire();
    this.tailCall(this.settle);
    return code;
  }

  /** Makes the root that kvm has granted for `value` the shadow root, or refuses. */
  private useGrantedRoot(): void {
    const { code, cpu, grant, value } = this;
    code.get(cpu);
    code.set(grant);
    code.open(W.block);
    code.open(W.loop);
    code.get(grant);
    code.memory(W.i64_load, BLOCK_ROOTS);
    code.get(value);
    code.byte(W.i64_eq);
    code.branch(W.br_if, 1);
    code.get(grant);
    code.i32Const(GRANTED_ROOT_BYTES);
    code.byte(W.i32_add);
    code.tee(grant);
    code.get(cpu);
    code.i32Const(GRANTED_ROOTS * GRANTED_ROOT_BYTES);
    code.byte(W.i32_add);
    code.byte(W.i32_ne);
    code.branch(W.br_if, 0);
    code.byte(W.end);
    code.i32Const(1);
    this.refuseIf();
    code.byte(W.end);
    code.get(cpu);
    code.get(grant);
    code.memory(W.i32_load, BLOCK_ROOTS + 8);
    code.memory(W.i32_store, BLOCK_SHADOW_ROOT);
    code.get(cpu);
    this.load(BLOCK_SHADOW_ROOT);
    code.byte(W.i64_extend_i32_u);
    code.memory(W.i64_store, BLOCK_TABLES);
  }
}
