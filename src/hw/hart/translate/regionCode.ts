// Region code: the function body of one region while it is written, with its locals, its labels and its ways out.
//
// Used by emitter.ts, instructions.ts, access.ts and multiply.ts. Guest registers are i64 locals; the remaining budget is
// an i32 local. A way out stores what is dirty and the budget to the vCPU block, then goes on: at another pc by way of
// the dispatcher (the function's result, even), in a region of the same module directly, or in the interpreter (a Leave
// code, odd, with pc in the block).
//
// The last kind is by far the most frequent, one at each memory access, and cold: all of them with the same dirty
// registers branch to one tail behind the body, with the place that they left from in a local.
//
// Invariant: after an exit the block holds exactly the state after the instructions retired so far.

import { bug, loWord } from '../../../units.ts';
import { ITLB_ADDEND, ITLB_TAG, PAGE_CACHE_BYTES, PAGE_CACHE_PAGE } from '../../tlb/index.ts';
import { BLOCK_BUDGET, BLOCK_ITLB, BLOCK_MISSED, BLOCK_PC, BLOCK_STRAYED, BLOCK_X } from '../block.ts';
import type { Dataflow } from './dataflow.ts';
import { Code, Type, W } from './wasm.ts';

/** Why translated code returned to TypeScript. Odd; the block's pc is where to go on. */
export const Leave = {
  /** The interpreter goes on: few instructions are left, or the instruction is not for translated code. */
  interpret: 1,
  /** No region is linked at pc. */
  unlinked: 3,
  /** The fetch TLB has no entry for pc. */
  fetch: 5,
  /** The data TLB has none for the load, or the store, of the address in the block: to the dispatcher alone. */
  load: 7,
  store: 9,
  /** Such a miss, and the data TLB has it now. */
  refilled: 11,
  /** The run loop must look at interrupts, and choose the context, before the next instruction. */
  resync: 13,
  /** At a loop that was written for words, a register is none. */
  wide: 15,
  /** At a privileged instruction, whose decoded word is in the block: to the dispatcher alone (privileged.ts). */
  ecall: 17,
  mret: 19,
  sret: 21,
  status: 23,
  satp: 25,
  fence: 27,
} as const;
export type LeaveCode = (typeof Leave)[keyof typeof Leave];

/** What the regions of a module, all of one page, have in common. */
export interface UnitFrame {
  /** Address of the page's first byte, canonical. */
  readonly pageVa: number;
  /** Page offsets of the regions' entries, by function index. */
  readonly entries: readonly number[];
  /** From the data TLB to the page caches. */
  readonly pageCaches: number;
  /** Byte size of the data TLB less that of an entry. */
  readonly tlbMask: number;
  /** Page offsets of the accesses that refill the data TLB in place. */
  readonly refills: ReadonlySet<number>;
  /** Where an instruction at the page's end goes on, or null when none crosses it. */
  readonly nextPage: NextPage | null;
}

/** The page after a unit's, as it was mapped when the unit was made. */
export interface NextPage {
  /** Byte offset in the fetch TLB of its entry. */
  readonly fetchEntry: number;
  /** What that entry holds. */
  readonly tag: number;
  readonly addend: number;
}

/** An instruction before which the region may be left. */
export interface Place {
  /** Page offset. */
  readonly pc: number;
  /** Registers dirty before it. */
  readonly dirty: number;
  /** Instructions from it on that were taken off the budget already, given back by an exit. */
  readonly unexecuted: number;
}

/** Functions that a unit's module imports, where an access refills in place: those for loads and for stores. */
export const REFILL_IMPORTS = 2;

/** Groups of accesses that one segment can have (groups.ts). */
export const MAX_GROUPS = 4;
/** Stands for an `if`, which is no branch target. */
export const NO_BLOCK = -1;

const FIRST_REGISTER = 2;
/** A place in one word: pc below, unexecuted above, why at the top. */
const PC_BITS = 12;
const UNEXECUTED_BITS = 12;

/** What an open WebAssembly construct stands for: branching to a loop goes to its start, else behind the end. */
interface Label {
  readonly block: number;
  readonly loop: boolean;
}

export class RegionCode {
  readonly code = new Code();
  readonly unit: UnitFrame;
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
  private readonly place: number;
  /** For the block, set before each branch to a tail. */
  private readonly missed: number;
  private readonly firstGroup: number;
  private readonly caches: number;
  private readonly localOf = new Int32Array(32);
  /** Dirty sets of the tails, the innermost first. */
  private readonly tails: readonly number[];
  private readonly labels: Label[] = [];

  constructor(unit: UnitFrame, { used, exitSets }: Dataflow, caches: number) {
    this.unit = unit;
    this.tails = exitSets;
    let local = FIRST_REGISTER;
    for (let r = 1; r < 32; r++) {
      if ((used >>> r) & 1) this.localOf[r] = local++;
    }
    this.address = local;
    this.scratch = local + 1;
    this.missed = local + 2;
    this.entry = local + 3;
    this.budget = local + 4;
    this.place = local + 5;
    this.firstGroup = local + 6;
    this.caches = caches;
    this.locals = [
      [this.entry - FIRST_REGISTER, Type.i64],
      [3 + MAX_GROUPS, Type.i32],
    ];
  }

  // Guest registers

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

  /** The local for the host address of a segment's i-th group. */
  group(i: number): number {
    return this.firstGroup + i;
  }

  /** From the data TLB to a page cache. */
  pageCache(cache: number): number {
    return this.unit.pageCaches + cache * PAGE_CACHE_BYTES;
  }

  // Start and end

  /** Loads the budget and a set of registers from the vCPU block. The body follows, then end(). */
  begin(registers: number): void {
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
    this.clearCaches();
    for (const _ of this.tails) code.open(W.block);
  }

  /** The tails, to which the body's exits branch; the body never runs off its end. */
  end(): void {
    const { code } = this;
    code.byte(W.unreachable);
    for (const dirty of this.tails) {
      code.byte(W.end);
      this.emitTail(dirty);
    }
  }

  // Labels of the body

  open(opcode: number, block: number, type: number = Type.none): void {
    this.code.open(opcode, type);
    this.labels.push({ block, loop: opcode === W.loop });
  }

  close(): void {
    this.code.byte(W.end);
    this.labels.pop();
  }

  /** br or br_if to the open loop, or behind the open block, that stands for a block of the region. */
  branch(opcode: number, block: number, loop: boolean): void {
    const at = this.labels.findLastIndex((label) => label.block === block && label.loop === loop);
    this.code.branch(opcode, this.labels.length - 1 - at);
  }

  // Ways out

  /**
   * Refills `entry` for the address in `address`, and puts the host address into `entry` instead, or leaves; what the
   * page caches hold may be gone from the TLB.
   */
  refill(place: Place, isStore: boolean): void {
    const { code } = this;
    for (const argument of [this.cpu, this.address, this.entry, this.dtlb]) code.get(argument);
    code.byte(W.call);
    code.unsigned(Number(isStore));
    code.tee(this.entry);
    code.byte(W.i32_eqz);
    this.leaveBeforeIf(place);
    this.clearCaches();
  }

  private clearCaches(): void {
    for (let cache = 0; cache < this.caches; cache++) {
      this.code.get(this.dtlb);
      this.code.i64Const(-1);
      this.code.memory(W.i64_store, this.pageCache(cache) + PAGE_CACHE_PAGE);
    }
  }

  /** Pushes the budget, from which the whole block is taken off. */
  getBudget(): void {
    this.code.get(this.budget);
  }

  /** Adds to the budget; a block takes its instructions off it in advance. */
  adjustBudget(instructions: number): void {
    if (instructions === 0) return;
    this.code.get(this.budget);
    this.code.i32Const(instructions);
    this.code.byte(W.i32_add);
    this.code.set(this.budget);
  }

  /** Leaves for the interpreter when fewer than `least` instructions are left. */
  leaveBelow(least: number, place: Place): void {
    this.isBudgetBelow(least);
    this.leaveBeforeIf(place);
  }

  /** Whether fewer than `least` instructions are left, as an i32. */
  isBudgetBelow(least: number): void {
    const { code } = this;
    code.get(this.budget);
    code.i32Const(least);
    code.byte(W.i32_lt_s);
  }

  /** Leaves if the i32 on the stack is not 0: for the interpreter, or for a miss of the address in `address`. */
  leaveBeforeIf(place: Place, why: LeaveCode = Leave.interpret): void {
    this.setPlace(place, why);
    this.setMissed(why);
    this.code.expect(false);
    this.code.branch(W.br_if, this.depthOfTail(place.dirty));
  }

  /** Leaves for code that takes them for any doublewords if one of some registers, at least one, is no word. */
  leaveUnlessWords(registers: number, place: Place): void {
    const { code } = this;
    for (let r = 1, first = true; r < 32; r++) {
      if (((registers >>> r) & 1) === 0) continue;
      this.get(r);
      this.getLow(r);
      code.byte(W.i64_extend_i32_s);
      code.byte(W.i64_ne);
      if (!first) code.byte(W.i32_or);
      first = false;
    }
    this.leaveBeforeIf(place, Leave.wide);
  }

  /** Leaves for the interpreter unless the fetch TLB maps the next page as it did when this was written. */
  leaveUnlessNextPage(place: Place): void {
    const { code, entry } = this;
    const { fetchEntry, tag, addend } =
      this.unit.nextPage ?? bug('translator: nothing crosses this page', { place });
    code.get(this.cpu);
    code.memory(W.i32_load, BLOCK_ITLB);
    code.tee(entry);
    code.memory(W.i64_load, fetchEntry + ITLB_TAG);
    code.i64Const(tag);
    code.byte(W.i64_ne);
    code.get(entry);
    code.memory(W.i32_load, fetchEntry + ITLB_ADDEND);
    code.i32Const(addend);
    code.byte(W.i32_ne);
    code.byte(W.i32_or);
    this.leaveBeforeIf(place);
  }

  leaveBefore(place: Place): void {
    this.setPlace(place, Leave.interpret);
    this.setMissed(Leave.interpret);
    this.code.branch(W.br, this.depthOfTail(place.dirty));
  }

  /** Leaves before the privileged instruction that decoded to `word`. */
  leaveFor(why: LeaveCode, word: number, place: Place): void {
    this.code.i64Const(word >>> 0);
    this.code.set(this.missed);
    this.setPlace(place, why);
    this.code.branch(W.br, this.depthOfTail(place.dirty));
  }

  /** Goes on at a page offset: in a region of the same module directly, since the page's fetch entry is still there. */
  goOn(pc: number, dirty: number): void {
    const { code } = this;
    this.spill(dirty);
    const sibling = this.unit.entries.indexOf(pc);
    if (sibling >= 0) {
      code.get(this.cpu);
      code.get(this.dtlb);
      code.byte(W.return_call);
      code.unsigned(sibling + (this.unit.refills.size > 0 ? REFILL_IMPORTS : 0));
    } else {
      code.i64Const(this.unit.pageVa + pc);
      code.byte(W.return);
    }
  }

  /** Goes on at the address in the local `scratch`; `strayed`: the page offset of a computed jump that did not expect it. */
  goOnIndirect(dirty: number, strayed: number | null): void {
    this.spill(dirty);
    if (strayed !== null) {
      this.code.get(this.cpu);
      this.code.i32Const(loWord(this.unit.pageVa + strayed) | 1);
      this.code.memory(W.i32_store, BLOCK_STRAYED);
    }
    this.code.get(this.scratch);
    this.code.byte(W.return);
  }

  private setPlace({ pc, unexecuted }: Place, why: LeaveCode): void {
    this.code.i32Const(pc | (unexecuted << PC_BITS) | (why << (PC_BITS + UNEXECUTED_BITS)));
    this.code.set(this.place);
  }

  /** Where nothing missed, no address either: it would have to be kept for the exits to come. */
  private setMissed(why: LeaveCode): void {
    if (why === Leave.interpret || why === Leave.wide) this.code.i64Const(0);
    else this.code.get(this.address);
    this.code.set(this.missed);
  }

  private depthOfTail(dirty: number): number {
    return this.labels.length + this.tails.indexOf(dirty);
  }

  private emitTail(dirty: number): void {
    const { code } = this;
    code.get(this.budget);
    code.get(this.place);
    code.i32Const(PC_BITS);
    code.byte(W.i32_shr_u);
    code.i32Const((1 << UNEXECUTED_BITS) - 1);
    code.byte(W.i32_and);
    code.byte(W.i32_add);
    code.set(this.budget);
    this.spill(dirty);
    code.get(this.cpu);
    code.get(this.missed);
    code.memory(W.i64_store, BLOCK_MISSED);
    code.get(this.cpu);
    code.get(this.place);
    code.i32Const((1 << PC_BITS) - 1);
    code.byte(W.i32_and);
    code.byte(W.i64_extend_i32_u);
    code.i64Const(this.unit.pageVa);
    code.byte(W.i64_add);
    code.memory(W.i64_store, BLOCK_PC);
    code.get(this.place);
    code.i32Const(PC_BITS + UNEXECUTED_BITS);
    code.byte(W.i32_shr_u);
    code.byte(W.i64_extend_i32_u);
    code.byte(W.return);
  }

  private spill(dirty: number): void {
    const { code } = this;
    for (let r = 1; r < 32; r++) {
      if (((dirty >>> r) & 1) === 0) continue;
      code.get(this.cpu);
      this.get(r);
      code.memory(W.i64_store, BLOCK_X + r * 8);
    }
    code.get(this.cpu);
    code.get(this.budget);
    code.memory(W.i32_store, BLOCK_BUDGET);
  }
}
