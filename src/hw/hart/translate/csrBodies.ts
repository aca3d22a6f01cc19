// Writes of CSRs in WebAssembly: sstatus by any CSR instruction, and csrw satp; what csr.ts and translationOrders.ts do
// for the interpreter.
//
// Bodies of functions of privileged.ts, which lists its invariants.
//
// Source: RISC-V Privileged ISA, "Supervisor Status (sstatus) Register", "Supervisor Address Translation and Protection
// (satp) Register"; "Zicsr".

import { Op } from '../../isa/index.ts';
import { MSTATUS_TVM, SATP_SV39 } from '../architecture.ts';
import {
  BLOCK_GRANT,
  BLOCK_ROOTS,
  BLOCK_SHADOW_ROOT,
  BLOCK_TABLES,
  BLOCK_X,
  csrOffset,
  GRANTED_ROOT_BYTES,
  GRANTED_ROOTS,
  Grant,
} from '../block.ts';
import { SSTATUS_MASK } from '../csr.ts';
import { emitStatus } from './csrAccess.ts';
import { MSTATUS, PrivilegedBody } from './privilegedBody.ts';
import { type Code, Type, W } from './wasm.ts';

/** One of them; the methods write it, one each. */
export class CsrBody extends PrivilegedBody {
  static readonly LOCALS = [
    [2, Type.i32],
    [2, Type.i64],
  ] as const;
  private readonly word = 1;
  private readonly grant = 2;
  private readonly old = 3;
  private readonly value = 4;
  private readonly settle: number;

  /** `settle`: index of Settling's function. */
  constructor(settle: number) {
    super();
    this.settle = settle;
  }

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
