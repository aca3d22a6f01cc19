// Environment calls and the returns from traps in WebAssembly: what traps.ts does for the interpreter.
//
// Bodies of functions of privileged.ts, which lists its invariants.
//
// Source: RISC-V Privileged ISA, "Trap Handling", "Trap-Return Instructions".

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
  PRV_M,
  PRV_S,
  PRV_U,
} from '../architecture.ts';
import {
  BLOCK_ATTEMPTS,
  BLOCK_BUDGET,
  BLOCK_HANDLER,
  BLOCK_PC,
  BLOCK_PRIVILEGE,
  BLOCK_TRAPPED,
  csrOffset,
} from '../block.ts';
import { MSTATUS, PrivilegedBody } from './privilegedBody.ts';
import { type Code, Type, W } from './wasm.ts';

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

/** One of them; the methods write it, one each. */
export class TrapBody extends PrivilegedBody {
  static readonly LOCALS = [[1, Type.i32]] as const;
  private readonly status = 1;
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
}
