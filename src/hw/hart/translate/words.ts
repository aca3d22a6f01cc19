// Words: the 64-bit instructions of a region that may as well work on 32 bits, because what they read are sign-extended
// words.
//
// Called by emitter.ts. Compiled code keeps `int` values sign-extended: what lw, the W forms and comparisons write. Of
// such values the bitwise operations and the comparisons are those of the low words; written so, V8 drops the sign
// extensions between them, and finds the rotations.
//
// Invariant: a register counts as a word before an instruction only if it is one on every path there from the region's
// start, where none but x0 is.

import { lengthOf, Op, opOf, rdOf, rs1Of, rs2Of } from '../../isa/index.ts';
import type { Flow } from './flow.ts';
import type { Block } from './region.ts';

const X0 = 1;

/** Page offsets of the instructions that read nothing but words. */
export function wordInstructions(flow: Flow, words: Int32Array): ReadonlySet<number> {
  const wordsIn = solve(flow, words);
  const found = new Set<number>();
  flow.blocks.forEach((block, i) => {
    follow(words, block, wordsIn[i]!, (offset, known) => {
      if (readsWords(words[offset]!, known)) found.add(offset);
    });
  });
  return found;
}

/** By block: mask of the registers that are words at its start. */
function solve({ blocks, predecessors }: Flow, words: Int32Array): Int32Array {
  const wordsIn = new Int32Array(blocks.length).fill(-1);
  const wordsOut = new Int32Array(blocks.length).fill(-1);
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 0; i < blocks.length; i++) {
      let known = i === 0 ? X0 : -1;
      for (const j of predecessors[i]!) known &= wordsOut[j]!;
      const out = follow(words, blocks[i]!, known);
      changed ||= out !== wordsOut[i];
      wordsIn[i] = known;
      wordsOut[i] = out;
    }
  }
  return wordsIn;
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
