// Emitter: a region's blocks to one structured WebAssembly function.
//
// Called by the translator for each hot entry. Blocks come in reverse postorder with their dominator tree (flow.ts); a
// block's subtree is emitted where it is reached, a merge point behind a WebAssembly block that its predecessors branch
// out of, a loop header inside a WebAssembly loop. Type of the function: (cpu, dtlb) -> next pc or Leave code.
//
// Source: Ramsey, "Beyond Relooper: Recursive Translation of Unstructured Control Flow to Structured Control Flow"
// (ICFP 2022). Invariants: the budget is taken off at the start of a block and checked as Flow.budget says.

import { lengthOf, Op, opOf, rdOf, rs1Of, rs2Of } from '../../isa/index.ts';
import type { CodeCache, CodePage } from '../codeCache.ts';
import { type Dataflow, solve, writes } from './dataflow.ts';
import { analyse, type Flow, LEAVES } from './flow.ts';
import { emitInstruction } from './instructions.ts';
import { type Block, discover, End } from './region.ts';
import { Leave, RegionCode, type Unit } from './regionCode.ts';
import { W } from './wasm.ts';

export interface RegionFunction {
  readonly code: RegionCode;
  readonly blocks: readonly Block[];
}

const CONDITIONS: Readonly<Record<number, number>> = {
  [Op.beq]: W.i64_eq,
  [Op.bne]: W.i64_ne,
  [Op.blt]: W.i64_lt_s,
  [Op.bge]: W.i64_ge_s,
  [Op.bltu]: W.i64_lt_u,
  [Op.bgeu]: W.i64_ge_u,
};

/** Translates the region of `unit` that starts at page offset `entry`. */
export function translateRegion(cache: CodeCache, page: CodePage, unit: Unit, entry: number): RegionFunction {
  const flow = analyse(discover(cache, page, entry), entry);
  const data = solve(flow, page);
  const code = new RegionCode(unit, data);
  code.load(data.liveAtEntry);
  new RegionEmitter(page, flow, data, code).emitTree(0);
  code.code.byte(W.unreachable);
  return { code, blocks: flow.blocks };
}

/** An open WebAssembly construct: a loop to continue, a block to break out of, or an if that is no target. */
interface Label {
  readonly target: number;
  readonly loop: boolean;
}
const NO_TARGET = -1;

class RegionEmitter {
  private readonly page: CodePage;
  private readonly flow: Flow;
  private readonly data: Dataflow;
  private readonly region: RegionCode;
  private readonly labels: Label[] = [];

  constructor(page: CodePage, flow: Flow, data: Dataflow, region: RegionCode) {
    this.page = page;
    this.flow = flow;
    this.data = data;
    this.region = region;
  }

  /** Emits block i and all that it dominates. */
  emitTree(i: number): void {
    if (this.flow.isLoop[i] !== 1) {
      this.emitWithin(i, 0);
      return;
    }
    this.openLabel(W.loop, { target: i, loop: true });
    this.emitWithin(i, 0);
    this.closeLabel();
  }

  /** Emits block i inside one WebAssembly block for each merge point that it dominates directly, from the k-th on. */
  private emitWithin(i: number, k: number): void {
    const merge = this.flow.merges[i]![k];
    if (merge === undefined) {
      this.emitBlock(i);
      return;
    }
    this.openLabel(W.block, { target: merge, loop: false });
    this.emitWithin(i, k + 1);
    this.closeLabel();
    this.emitTree(merge);
  }

  private emitBlock(i: number): void {
    const { region } = this;
    const block = this.flow.blocks[i]!;
    if (this.flow.budget[i] !== 0) {
      region.checkBudget(this.flow.budget[i]!, block.start, this.data.dirtyIn[i]!);
    }
    region.adjustBudget(-block.count);
    this.emitInstructions(i, block);
    this.emitEnd(i, block);
  }

  private emitInstructions(i: number, block: Block): void {
    const { words } = this.page;
    let dirty = this.data.dirtyIn[i]!;
    let unexecuted = block.count;
    for (let pc = block.start; pc < block.last; pc += lengthOf(words[pc]!)) {
      const word = words[pc]!;
      emitInstruction(this.region, word, words[pc + 1]!, { pc, dirty, unexecuted });
      dirty |= writes(word);
      unexecuted--;
    }
  }

  private emitEnd(i: number, block: Block): void {
    const { region } = this;
    const dirty = this.data.dirtyOut[i]!;
    switch (block.end) {
      case End.jump:
        this.emitGoto(i, this.flow.taken[i]!, block.taken);
        break;
      case End.branch:
        this.emitBranch(i, block);
        break;
      case End.call:
        this.emitLink(block);
        region.goOn(block.taken, dirty);
        break;
      case End.indirect:
        this.emitIndirect(block, dirty);
        break;
      case End.interpret:
        region.leave(Leave.interpret, block.last, dirty);
    }
  }

  private emitLink(block: Block): void {
    if (rdOf(block.word) === 0) return;
    this.region.code.i64Const(this.region.unit.pageVa + block.next);
    this.region.set(rdOf(block.word));
  }

  private emitIndirect(block: Block, dirty: number): void {
    const { region } = this;
    region.get(rs1Of(block.word));
    if (block.imm !== 0) {
      region.code.i64Const(block.imm);
      region.code.byte(W.i64_add);
    }
    region.code.i64Const(-2);
    region.code.byte(W.i64_and);
    region.code.set(region.scratch);
    this.emitLink(block);
    region.goOnIndirect(dirty);
  }

  private emitBranch(i: number, block: Block): void {
    const { code } = this.region;
    const taken = this.flow.taken[i]!;
    this.region.get(rs1Of(block.word));
    this.region.get(rs2Of(block.word));
    code.byte(CONDITIONS[opOf(block.word)]!);
    if (taken !== LEAVES && (taken <= i || this.flow.isMerge[taken] === 1)) {
      code.branch(W.br_if, this.depthOf(taken, taken <= i));
    } else {
      this.openLabel(W.if, { target: NO_TARGET, loop: false });
      this.emitGoto(i, taken, block.taken);
      this.closeLabel();
    }
    this.emitGoto(i, this.flow.next[i]!, block.next);
  }

  /** Goes on at block j, or leaves the region for the page offset `pc`. */
  private emitGoto(i: number, j: number, pc: number): void {
    if (j === LEAVES) this.region.goOn(pc, this.data.dirtyOut[i]!);
    else if (j <= i || this.flow.isMerge[j] === 1) {
      this.region.code.branch(W.br, this.depthOf(j, j <= i));
    } else this.emitTree(j);
  }

  private openLabel(opcode: number, label: Label): void {
    this.region.code.open(opcode);
    this.labels.push(label);
  }

  private closeLabel(): void {
    this.region.code.byte(W.end);
    this.labels.pop();
  }

  private depthOf(target: number, loop: boolean): number {
    const at = this.labels.findLastIndex((label) => label.target === target && label.loop === loop);
    return this.labels.length - 1 - at;
  }
}
