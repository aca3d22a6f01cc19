// Words: the 64-bit instructions of a region that may as well work on 32 bits, because what they read are sign-extended
// words.
//
// Called by emitter.ts. Compiled code keeps `int` values sign-extended: what lw, the W forms and comparisons write. Of
// such values the bitwise operations and the comparisons are those of the low words; written so, V8 drops the sign
// extensions between them, and finds the rotations.
//
// What a loop makes of a register each round is mostly what it was before the first. So a loop is written for words, and
// whoever comes to it from outside looks whether they are. If not, the page shall remember it, and its code is written anew.
//
// Invariant: a register counts as a word before an instruction only if it is one on every path there from the region's
// start, where x0 is one, and those become ones that a loop looks at.

import { lengthOf, Op, opOf, rdOf, rs1Of, rs2Of } from '../../isa/index.ts';
import { solveNeeded } from './dataflow.ts';
import type { Flow } from './flow.ts';
import type { Block } from './region.ts';
import { loopsOf, type RegionLoop } from './regionLoops.ts';

const X0 = 1;

export interface RegionWords {
  /** By block: the registers that must be words when the loop that it begins is entered. */
  readonly looked: Int32Array;
  /** Page offsets of the instructions that read nothing but words. */
  readonly instructions: ReadonlySet<number>;
}

/** `mayLook`: whether a loop that begins at a page offset may be written for words. */
export function planWords(flow: Flow, words: Int32Array, mayLook: (offset: number) => boolean): RegionWords {
  const plan = new WordPlan(flow, words);
  plan.solve();
  plan.collect();
  plan.assume(mayLook);
  return { looked: plan.looked(), instructions: plan.instructions };
}

class WordPlan {
  readonly instructions = new Set<number>();
  private readonly flow: Flow;
  private readonly words: Int32Array;
  private readonly loops: readonly RegionLoop[];
  /** By block: masks of the registers that are taken for words at its start, and that are words there and behind it. */
  private readonly assumed: Int32Array;
  private readonly before: Int32Array;
  private readonly behind: Int32Array;

  constructor(flow: Flow, words: Int32Array) {
    this.flow = flow;
    this.words = words;
    this.loops = loopsOf(flow);
    this.assumed = new Int32Array(flow.blocks.length);
    this.before = new Int32Array(flow.blocks.length);
    this.behind = new Int32Array(flow.blocks.length);
  }

  /** Takes for words what loops need and write, as far as it then is a word whenever they begin anew, and of use. */
  assume(mayLook: (offset: number) => boolean): void {
    const loops = this.loops.filter(({ header, blocks }) => {
      const { start } = this.flow.blocks[header]!;
      return start >= 0 && mayLook(start) && this.isOfUse(blocks);
    });
    if (loops.length === 0) return;
    const needed = solveNeeded(this.flow, this.words);
    for (const { header, blocks } of loops)
      this.assumed[header] = needed[header]! & this.writtenIn(blocks) & ~X0;
    this.settle();
    this.collect();
    for (const { header, blocks } of loops) this.assumed[header]! &= this.usedIn(blocks);
    this.settle();
    this.collect();
  }

  /** Finds out which registers are words where. */
  solve(): void {
    this.before.fill(-1);
    this.behind.fill(-1);
    const { blocks } = this.flow;
    for (let changed = true; changed; ) {
      changed = false;
      blocks.forEach((block, i) => {
        const before = this.meet(i, () => true) | this.assumed[i]!;
        const behind = follow(this.words, block, before);
        if (behind !== this.behind[i]) changed = true;
        this.before[i] = before;
        this.behind[i] = behind;
      });
    }
  }

  /** Finds the instructions that read nothing else. */
  collect(): void {
    this.instructions.clear();
    this.flow.blocks.forEach((block, i) => {
      follow(this.words, block, this.before[i]!, (offset, known) => {
        if (readsWords(this.words[offset]!, known)) this.instructions.add(offset);
      });
    });
  }

  /** By block: what is taken for a word there and is not known to be one where code comes from. */
  looked(): Int32Array {
    return this.assumed.map((mask, header) => mask && mask & ~this.meet(header, (i) => i < header));
  }

  /** Takes less for words until all that is taken is right. */
  private settle(): void {
    for (let changed = true; changed; ) {
      this.solve();
      changed = false;
      for (const { header } of this.loops) {
        const kept = this.assumed[header]! & this.meet(header, (i) => i >= header);
        changed ||= kept !== this.assumed[header];
        this.assumed[header] = kept;
      }
    }
  }

  /** What is a word behind each of a block's predecessors that are asked for; the region's start is one of its first. */
  private meet(i: number, from: (predecessor: number) => boolean): number {
    let known = i === 0 && from(-1) ? X0 : -1;
    for (const j of this.flow.predecessors[i]!) if (from(j)) known &= this.behind[j]!;
    return known;
  }

  private writtenIn(blocks: ReadonlySet<number>): number {
    let written = 0;
    this.visit(blocks, (offset) => {
      written |= 1 << rdOf(this.words[offset]!);
    });
    return written;
  }

  /** Registers of which it is of use to an instruction that they are words. */
  private usedIn(blocks: ReadonlySet<number>): number {
    let used = 0;
    this.visit(blocks, (offset) => {
      const word = this.words[offset]!;
      if (this.instructions.has(offset) && isEasier(word, this.words[offset + 1]!))
        used |= (1 << rs1Of(word)) | (1 << rs2Of(word));
    });
    return used;
  }

  /** Whether there is an instruction that might be easier. */
  private isOfUse(blocks: ReadonlySet<number>): boolean {
    let is = false;
    this.visit(blocks, (offset) => {
      is ||= isEasier(this.words[offset]!, this.words[offset + 1]!) && !this.instructions.has(offset);
    });
    return is;
  }

  private visit(blocks: ReadonlySet<number>, instruction: (offset: number) => void): void {
    for (const i of blocks) {
      const { start, last, word } = this.flow.blocks[i]!;
      for (let at = start; at < last; at += lengthOf(this.words[at]!)) instruction(at);
      if (word !== 0) instruction(last);
    }
  }
}

/** Visits the instructions of a block with the mask of what is a word before each; answers the mask after the block. */
function follow(
  words: Int32Array,
  block: Block,
  before: number,
  visit?: (offset: number, known: number) => void,
): number {
  let known = before;
  for (let at = block.start; at < block.last; at += lengthOf(words[at]!)) {
    visit?.(at, known);
    const rd = 1 << rdOf(words[at]!);
    known = writesWord(words[at]!, words[at + 1]!, known) ? known | rd : known & ~rd;
    known |= X0;
  }
  if (block.word === 0) return known;
  visit?.(block.last, known);
  return (known & ~(1 << rdOf(block.word))) | X0;
}

const isWord = (register: number, known: number): boolean => ((known >>> register) & 1) === 1;

function readsWords(word: number, known: number): boolean {
  return isWord(rs1Of(word), known) && isWord(rs2Of(word), known);
}

function writesWord(word: number, imm: number, known: number): boolean {
  const op = opOf(word);
  switch (op) {
    case Op.addi:
      return rs1Of(word) === 0 || (imm === 0 && isWord(rs1Of(word), known));
    case Op.andi:
      return imm >= 0 || isWord(rs1Of(word), known);
    case Op.xori:
    case Op.ori:
    case Op.srai:
      return isWord(rs1Of(word), known);
    case Op.srli:
      return imm > 32;
    case Op.and:
    case Op.or:
    case Op.xor:
      return readsWords(word, known);
    default:
      return ALWAYS_WORDS.has(op);
  }
}

/** Whether it is of use to an instruction to read words; a comparison of doublewords costs no more than one of words. */
function isEasier(word: number, imm: number): boolean {
  const op = opOf(word);
  return EASIER.has(op) || (op === Op.addiw && imm === 0);
}

const EASIER: ReadonlySet<number> = new Set([Op.xor, Op.or, Op.and, Op.xori, Op.ori, Op.andi]);

const ALWAYS_WORDS: ReadonlySet<number> = new Set([
  Op.lui,
  Op.lb,
  Op.lh,
  Op.lw,
  Op.lbu,
  Op.lhu,
  Op.slti,
  Op.sltiu,
  Op.slt,
  Op.sltu,
  Op.addiw,
  Op.slliw,
  Op.srliw,
  Op.sraiw,
  Op.addw,
  Op.subw,
  Op.sllw,
  Op.srlw,
  Op.sraw,
  Op.mulw,
  Op.divw,
  Op.divuw,
  Op.remw,
  Op.remuw,
]);
