// Emitter: a region's blocks to one structured WebAssembly function.
//
// Called by the translator for each hot entry. Blocks come in reverse postorder with their dominator tree (flow.ts); a
// block's subtree is emitted where it is reached, a merge point behind a WebAssembly block that its predecessors branch
// out of, a loop header inside a WebAssembly loop. Type of the function: (cpu, dtlb) -> next pc or Leave code.
//
// Source: Ramsey, "Beyond Relooper: Recursive Translation of Unstructured Control Flow to Structured Control Flow"
// (ICFP 2022). Invariants: the budget is taken off at the start of a block and checked as Flow.budget says.

import { lengthOf, rdOf, rs1Of } from '../../isa/index.ts';
import { emitGroupCheck, emitMember } from './access.ts';
import { type Dataflow, solve, writes } from './dataflow.ts';
import { analyse, type Flow, LEAVES } from './flow.ts';
import { type Member, segmentsOf } from './groups.ts';
import { emitComparison, emitInstruction } from './instructions.ts';
import { type PageCaches, planPageCaches } from './pageCaches.ts';
import { crossesPage, type PageCode } from './pageCode.ts';
import { isComputedJump } from './pageGraph.ts';
import { privilegedLeave } from './privileged.ts';
import { type Block, discover, End, isGuess } from './region.ts';
import { NO_BLOCK, type Place, RegionCode, type UnitFrame } from './regionCode.ts';
import { W } from './wasm.ts';
import { planWords, type RegionWords } from './words.ts';

/** A region before it is written: what its unit must know of it. */
export interface RegionPlan {
  readonly page: PageCode;
  /** Page offset. */
  readonly entry: number;
  readonly flow: Flow;
  readonly instructions: number;
}

/** Plans the region at a page offset where an instruction stands that is translated; `hubs`: as for analyse(). */
export function planRegion(page: PageCode, entry: number, hubs: boolean): RegionPlan {
  const flow = analyse(discover(page, entry), entry, hubs);
  // A region that only leaves, for a privileged instruction, is as good as one.
  const instructions = flow.blocks.reduce((sum, block) => sum + block.count, 0);
  return { page, entry, flow, instructions: Math.max(1, instructions) };
}

/** Writes a region as a function of its unit. */
export function emitRegion({ page, flow }: RegionPlan, unit: UnitFrame): RegionCode {
  const { words } = page;
  const data = solve(flow, words);
  const plan = planWords(flow, words, (offset) => !page.wasWide(offset));
  const caches = planPageCaches(flow, words);
  const code = new RegionCode(unit, data, caches.count);
  code.begin(data.liveAtEntry);
  new RegionEmitter(words, flow, data, caches, plan, code).emitTree(0);
  code.end();
  return code;
}

class RegionEmitter {
  private readonly words: Int32Array;
  private readonly flow: Flow;
  private readonly data: Dataflow;
  private readonly caches: PageCaches;
  private readonly plan: RegionWords;
  private readonly region: RegionCode;

  constructor(
    words: Int32Array,
    flow: Flow,
    data: Dataflow,
    caches: PageCaches,
    plan: RegionWords,
    region: RegionCode,
  ) {
    this.words = words;
    this.flow = flow;
    this.data = data;
    this.caches = caches;
    this.plan = plan;
    this.region = region;
  }

  /** Emits block i and all that it dominates. */
  emitTree(i: number): void {
    if (this.flow.isLoop[i] !== 1) {
      this.emitWithin(i, 0);
      return;
    }
    const looked = this.plan.looked[i]!;
    if (looked !== 0) {
      const { start } = this.flow.blocks[i]!;
      this.region.leaveUnlessWords(looked, { pc: start, dirty: this.data.dirtyIn[i]!, unexecuted: 0 });
    }
    this.region.open(W.loop, i);
    this.emitWithin(i, 0);
    this.region.close();
  }

  /** Emits block i inside one WebAssembly block for each merge point that it dominates directly, from the k-th on. */
  private emitWithin(i: number, k: number): void {
    const merge = this.flow.merges[i]![k];
    if (merge === undefined) {
      this.emitBlock(i);
      return;
    }
    this.region.open(W.block, merge);
    this.emitWithin(i, k + 1);
    this.region.close();
    this.emitTree(merge);
  }

  private emitBlock(i: number): void {
    const { region } = this;
    const block = this.flow.blocks[i]!;
    if (this.flow.budget[i] !== 0) this.checkBudget(block, this.flow.budget[i]!, this.data.dirtyIn[i]!);
    region.adjustBudget(-block.count);
    const dirty = this.emitInstructions(i, block);
    if (block.word !== 0) this.checkFetch(block.word, { pc: block.last, dirty, unexecuted: 1 });
    this.emitEnd(i, block);
  }

  /** A guess, which can head a loop, is at no instruction of its own: the jump before it has retired, to where `scratch` says. */
  private checkBudget(block: Block, least: number, dirty: number): void {
    const { region } = this;
    if (!isGuess(block.end)) {
      region.leaveBelow(least, { pc: block.start, dirty, unexecuted: 0 });
      return;
    }
    region.isBudgetBelow(least);
    region.code.expect(false);
    region.open(W.if, NO_BLOCK);
    region.goOnIndirect(dirty, null);
    region.close();
  }

  /** Answers what is dirty before the terminator. */
  private emitInstructions(i: number, block: Block): number {
    let state: Place = { pc: block.start, dirty: this.data.dirtyIn[i]!, unexecuted: block.count };
    for (const segment of segmentsOf(this.words, block)) {
      state = this.emitUntil(segment.start, state);
      const end = segment.last + lengthOf(this.words[segment.last]!);
      emitGroupCheck(this.region, segment.groups);
      this.region.code.expect(true);
      this.region.open(W.if, NO_BLOCK);
      this.emitUntil(end, state, segment.members);
      this.region.code.byte(W.else);
      state = this.emitUntil(end, state);
      this.region.close();
    }
    return this.emitUntil(block.last, state).dirty;
  }

  /** Emits the instructions from a place up to the offset `end`, the members given as such; answers the place there. */
  private emitUntil(end: number, from: Place, members?: ReadonlyMap<number, Member>): Place {
    const { words } = this;
    let { pc, dirty, unexecuted } = from;
    for (; pc < end; pc += lengthOf(words[pc]!)) {
      const word = words[pc]!;
      const place = { pc, dirty, unexecuted };
      const member = members?.get(pc);
      this.checkFetch(word, place);
      if (member === undefined) {
        const refills = members === undefined && this.region.unit.refills.has(pc);
        emitInstruction(this.region, word, words[pc + 1]!, place, {
          cache: this.caches.of.get(pc),
          refills,
          readsWords: this.plan.instructions.has(pc),
        });
      } else {
        emitMember(this.region, word, member);
      }
      dirty |= writes(word);
      unexecuted--;
    }
    return { pc, dirty, unexecuted };
  }

  private checkFetch(word: number, place: Place): void {
    if (crossesPage(word, place.pc)) this.region.leaveUnlessNextPage(place);
  }

  private emitEnd(i: number, block: Block): void {
    const { region } = this;
    const dirty = this.data.dirtyOut[i]!;
    switch (block.end) {
      case End.jump:
        this.emitGoto(i, this.flow.taken[i]!, block.taken);
        break;
      case End.branch:
        emitComparison(region, block.word, null, this.plan.instructions.has(block.last));
        this.emitFork(i, block);
        break;
      case End.guess:
      case End.pick:
        region.code.get(region.scratch);
        region.code.i64Const(region.unit.pageVa + block.imm);
        region.code.byte(block.end === End.guess ? W.i64_eq : W.i64_lt_u);
        this.emitFork(i, block);
        break;
      case End.aim:
        region.code.i64Const(region.unit.pageVa + block.imm);
        region.code.set(region.scratch);
        this.emitGoto(i, this.flow.taken[i]!, block.imm);
        break;
      case End.choose:
        this.emitTarget(block);
        this.emitGoto(i, this.flow.taken[i]!, block.taken);
        break;
      case End.follow:
        region.goOnIndirect(dirty, block.taken);
        break;
      case End.call:
        this.emitLink(block);
        region.goOn(block.taken, dirty);
        break;
      case End.indirect:
        this.emitTarget(block);
        this.emitLink(block);
        region.goOnIndirect(dirty, isComputedJump(block.word) ? block.last : null);
        break;
      case End.interpret:
        this.emitLeave({ pc: block.last, dirty, unexecuted: 0 });
    }
  }

  /** Leaves before an instruction that regions do not execute. */
  private emitLeave(place: Place): void {
    const word = this.words[place.pc]!;
    const why = crossesPage(word, place.pc) ? null : privilegedLeave(word, this.words[place.pc + 1]!);
    if (why === null) this.region.leaveBefore(place);
    else this.region.leaveFor(why, word, place);
  }

  private emitLink(block: Block): void {
    if (rdOf(block.word) === 0) return;
    this.region.code.i64Const(this.region.unit.pageVa + block.next);
    this.region.set(rdOf(block.word));
  }

  /** Puts the address to which a jalr leads into the local `scratch`. */
  private emitTarget(block: Block): void {
    const { region } = this;
    region.get(rs1Of(block.word));
    if (block.imm !== 0) {
      region.code.i64Const(block.imm);
      region.code.byte(W.i64_add);
    }
    region.code.i64Const(-2);
    region.code.byte(W.i64_and);
    region.code.set(region.scratch);
  }

  /** Goes on at `taken` if the i32 on the stack is not 0, else at `next`. */
  private emitFork(i: number, block: Block): void {
    const taken = this.flow.taken[i]!;
    if (taken !== LEAVES && (taken <= i || this.flow.isMerge[taken] === 1)) {
      this.region.branch(W.br_if, taken, taken <= i);
    } else {
      this.region.open(W.if, NO_BLOCK);
      this.emitGoto(i, taken, block.taken);
      this.region.close();
    }
    this.emitGoto(i, this.flow.next[i]!, block.next);
  }

  /** Goes on at block j, or leaves the region for the page offset `pc`. */
  private emitGoto(i: number, j: number, pc: number): void {
    if (j === LEAVES) this.region.goOn(pc, this.data.dirtyOut[i]!);
    else if (j <= i || this.flow.isMerge[j] === 1) this.region.branch(W.br, j, j <= i);
    else this.emitTree(j);
  }
}
