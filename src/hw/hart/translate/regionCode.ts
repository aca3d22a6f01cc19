// Region code: the function body of one region while it is written, with its locals and its ways out.
//
// Used by emitter.ts, instructions.ts, access.ts and multiply.ts. Guest registers are i64 locals; the remaining budget is
// an i32 local. Each way out stores what is dirty and the budget to the vCPU block and returns the next pc (even: the
// dispatcher goes on there) or a Leave code (odd, with pc in the block), or goes on in a region of the same page.
//
// Invariant: after an exit the block holds exactly the state after the instructions retired so far.

import { BLOCK_BUDGET, BLOCK_PC, BLOCK_X } from '../block.ts';
import type { Dataflow } from './dataflow.ts';
import { Code, Type, W } from './wasm.ts';

/** Why translated code returned to TypeScript. Odd; the block's pc is where to go on. */
export const Leave = {
  /** The instruction at pc is for the interpreter: it missed the data TLB, or is never translated. */
  interpret: 1,
  /** Fewer instructions are left than the longest path to the next check needs. */
  budget: 3,
  /** No region is linked at pc. */
  unlinked: 5,
  /** The fetch TLB has no entry for pc. */
  fetch: 7,
} as const;

/** What the regions of a module, all of one page, have in common. */
export interface Unit {
  /** Address of the page's first byte, canonical. */
  readonly pageVa: number;
  /** Page offsets of the regions' entries, by function index. */
  readonly entries: readonly number[];
  /** Byte size of the data TLB less that of an entry. */
  readonly tlbMask: number;
}

/** An instruction that may leave the region unexecuted. */
export interface Place {
  readonly pc: number;
  /** Registers dirty before it. */
  readonly dirty: number;
  /** Instructions of its block from this one on: taken off the budget already, given back by an exit. */
  readonly unexecuted: number;
}

const FIRST_REGISTER = 2;

export class RegionCode {
  readonly code = new Code();
  readonly unit: Unit;
  /** Parameters of the function. */
  readonly cpu = 0;
  readonly dtlb = 1;
  /** Scratch locals, which no instruction keeps beyond its end: two i64 and one i32. */
  readonly address: number;
  readonly scratch: number;
  readonly entry: number;
  /** Runs of locals after the parameters. */
  readonly locals: readonly (readonly [count: number, type: number])[];
  private readonly budget: number;
  private readonly localOf = new Int32Array(32);
  /** Where the spill of a set of registers was written before: most exits of a region spill the same few sets. */
  private readonly spills = new Map<number, { start: number; end: number }>();

  constructor(unit: Unit, { used }: Dataflow) {
    this.unit = unit;
    let local = FIRST_REGISTER;
    for (let r = 1; r < 32; r++) {
      if ((used >>> r) & 1) this.localOf[r] = local++;
    }
    this.address = local;
    this.scratch = local + 1;
    this.budget = local + 2;
    this.entry = local + 3;
    this.locals = [
      [this.budget - FIRST_REGISTER, Type.i64],
      [2, Type.i32],
    ];
  }

  /** Pushes guest register r. */
  get(r: number): void {
    if (r === 0) this.code.i64Const(0);
    else this.code.get(this.localOf[r]!);
  }

  /** Pops guest register r. */
  set(r: number): void {
    if (r === 0) this.code.byte(W.drop);
    else this.code.set(this.localOf[r]!);
  }

  /** Pushes the low word of guest register r. */
  getLow(r: number): void {
    if (r === 0) {
      this.code.i32Const(0);
    } else {
      this.get(r);
      this.code.byte(W.i32_wrap_i64);
    }
  }

  /** Loads the budget and a set of registers from the vCPU block. */
  load(registers: number): void {
    const { code } = this;
    for (let r = 1; r < 32; r++) {
      if (((registers >>> r) & 1) === 0) continue;
      code.get(this.cpu);
      code.memory(W.i64_load, BLOCK_X + r * 8);
      this.set(r);
    }
    code.get(this.cpu);
    code.memory(W.i32_load, BLOCK_BUDGET);
    code.set(this.budget);
  }

  /** Leaves when fewer than `least` instructions are left, before the one at page offset `pc`. */
  checkBudget(least: number, pc: number, dirty: number): void {
    const { code } = this;
    code.get(this.budget);
    code.i32Const(least);
    code.byte(W.i32_lt_s);
    code.open(W.if);
    this.leave(Leave.budget, pc, dirty);
    code.byte(W.end);
  }

  /** Adds to the budget: instructions given back, or (negative) spent. */
  adjustBudget(instructions: number): void {
    if (instructions === 0) return;
    this.code.get(this.budget);
    this.code.i32Const(instructions);
    this.code.byte(W.i32_add);
    this.code.set(this.budget);
  }

  /** Leaves, if the i32 on the stack is not 0, so that the interpreter executes the instruction. */
  leaveBeforeIf(place: Place): void {
    this.code.open(W.if);
    this.adjustBudget(place.unexecuted);
    this.leave(Leave.interpret, place.pc, place.dirty);
    this.code.byte(W.end);
  }

  /** Leaves for TypeScript; `pc` is a page offset. */
  leave(why: number, pc: number, dirty: number): void {
    const { code } = this;
    this.spill(dirty);
    code.get(this.cpu);
    code.i64Const(this.unit.pageVa + pc);
    code.memory(W.i64_store, BLOCK_PC);
    code.i64Const(why);
    code.byte(W.return);
  }

  /** Goes on at a page offset: in a region of the same page directly, since its fetch TLB entry is still there. */
  goOn(pc: number, dirty: number): void {
    const { code } = this;
    this.spill(dirty);
    const sibling = this.unit.entries.indexOf(pc);
    if (sibling >= 0) {
      code.get(this.cpu);
      code.get(this.dtlb);
      code.byte(W.return_call);
      code.unsigned(sibling);
    } else {
      code.i64Const(this.unit.pageVa + pc);
      code.byte(W.return);
    }
  }

  /** Goes on at the address in the local `scratch`. */
  goOnIndirect(dirty: number): void {
    this.spill(dirty);
    this.code.get(this.scratch);
    this.code.byte(W.return);
  }

  private spill(dirty: number): void {
    const { code } = this;
    const known = this.spills.get(dirty);
    if (known !== undefined) {
      code.repeat(known.start, known.end);
      return;
    }
    const start = code.length;
    for (let r = 1; r < 32; r++) {
      if (((dirty >>> r) & 1) === 0) continue;
      code.get(this.cpu);
      this.get(r);
      code.memory(W.i64_store, BLOCK_X + r * 8);
    }
    code.get(this.cpu);
    code.get(this.budget);
    code.memory(W.i32_store, BLOCK_BUDGET);
    this.spills.set(dirty, { start, end: code.length });
  }
}
