// A function that executes a privileged instruction, while it is written: what trapBodies.ts, csrBodies.ts and fence.ts
// share.
//
// Type of each: (vCPU block) -> 0 to go on at the block's pc, or a Leave code. What it refuses is not executed.

import { PRV_S, PRV_U } from '../architecture.ts';
import { BLOCK_BUDGET, BLOCK_MISSED, BLOCK_PC, BLOCK_PRIVILEGE, BLOCK_X, csrOffset } from '../block.ts';
import { Leave } from './regionCode.ts';
import { Code, W } from './wasm.ts';

/** Where a decoded word has the number of a register, above the bits of its place in the block. */
const FIELD_SHIFT = { rd: 5, rs1: 10, rs2: 15 } as const;
type Field = keyof typeof FIELD_SHIFT;
const FIELD_MASK = 31 << 3;
/** Bytes of every instruction that is executed here. */
const LENGTH = 4;

export const MSTATUS = csrOffset('mstatus');

export class PrivilegedBody {
  readonly code = new Code(512);
  /** The parameter: address of the vCPU block. */
  protected readonly cpu = 0;

  // What is refused

  protected refuseIf(): void {
    this.code.open(W.if);
    this.code.i32Const(Leave.interpret);
    this.code.byte(W.return);
    this.code.byte(W.end);
  }

  protected refuseUnpaid(): void {
    this.load(BLOCK_BUDGET);
    this.code.i32Const(1);
    this.code.byte(W.i32_lt_s);
    this.refuseIf();
  }

  protected refuseUser(): void {
    this.isPrivilege(PRV_U);
    this.refuseIf();
  }

  /** Refuses S mode where a bit of mstatus is set. */
  protected refuseSupervisorIf(bit: number): void {
    this.isPrivilege(PRV_S);
    this.has(MSTATUS, bit);
    this.code.i32Const(0);
    this.code.byte(W.i32_ne);
    this.code.byte(W.i32_and);
    this.refuseIf();
  }

  // The block

  /** Pushes an i32 of the block. */
  protected load(offset: number): void {
    this.code.get(this.cpu);
    this.code.memory(W.i32_load, offset);
  }

  /** Pushes an i64 of the block. */
  protected load64(offset: number): void {
    this.code.get(this.cpu);
    this.code.memory(W.i64_load, offset);
  }

  /** Copies an i64 of the block. */
  protected copy64(to: number, from: number): void {
    this.code.get(this.cpu);
    this.load64(from);
    this.code.memory(W.i64_store, to);
  }

  /** Adds to an i32 of the block. */
  protected add(offset: number, value: number): void {
    this.code.get(this.cpu);
    this.load(offset);
    this.code.i32Const(value);
    this.code.byte(W.i32_add);
    this.code.memory(W.i32_store, offset);
  }

  /** Adds to an i64 of the block. */
  protected add64(offset: number, value: number): void {
    this.code.get(this.cpu);
    this.load64(offset);
    this.code.i64Const(value);
    this.code.byte(W.i64_add);
    this.code.memory(W.i64_store, offset);
  }

  /** Pushes some bits of an i32 of the block. */
  protected has(offset: number, bits: number): void {
    this.load(offset);
    this.code.i32Const(bits);
    this.code.byte(W.i32_and);
  }

  /** Pushes some bits of a local. */
  protected of(local: number, bits: number): void {
    this.code.get(local);
    this.code.i32Const(bits);
    this.code.byte(W.i32_and);
  }

  /** Ors one of two values to the i32 on the stack: the first if what `condition` pushes is not 0. */
  protected select(then: number, otherwise: number, condition: () => void): void {
    const { code } = this;
    code.i32Const(then);
    code.i32Const(otherwise);
    condition();
    code.byte(W.select);
    code.byte(W.i32_or);
  }

  protected isPrivilege(mode: number): void {
    this.load(BLOCK_PRIVILEGE);
    this.code.i32Const(mode);
    this.code.byte(W.i32_eq);
  }

  // The instruction

  /** Pushes its decoded word. */
  protected loadWord(): void {
    this.load(BLOCK_MISSED);
  }

  /** Pushes what lies between the block and where a register of the decoded word in a local stands. */
  protected names(word: number, field: Field): void {
    const { code } = this;
    code.get(word);
    code.i32Const(FIELD_SHIFT[field]);
    code.byte(W.i32_shr_u);
    code.i32Const(FIELD_MASK);
    code.byte(W.i32_and);
  }

  /** Pushes the address of a register of the decoded word in a local, less BLOCK_X. */
  protected place(word: number, field: Field): void {
    this.names(word, field);
    this.code.get(this.cpu);
    this.code.byte(W.i32_add);
  }

  /** Pushes such a register. */
  protected register(word: number, field: Field): void {
    this.place(word, field);
    this.code.memory(W.i64_load, BLOCK_X);
  }

  protected retire(): void {
    this.add64(BLOCK_PC, LENGTH);
    this.add(BLOCK_BUDGET, -1);
  }

  /** Answers what another function of the module answers. */
  protected tailCall(index: number): void {
    this.code.get(this.cpu);
    this.code.byte(W.return_call);
    this.code.unsigned(index);
  }
}
