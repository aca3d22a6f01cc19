// Region discovery: the guest code that becomes one WebAssembly function.
//
// Called by emitter.ts with a hot entry point; flow.ts orders the blocks. A region is what direct branches reach from
// its entry within one 4 KiB page. Calls, indirect jumps and instructions that only the interpreter executes leave it.
//
// Invariants: offsets are byte offsets in the page, even, 0..4094; a target may lie outside the page. The instructions
// of a block are contiguous and decoded: words[o] and words[o + 1] of the page.

import { PAGE_SIZE } from '../../../units.ts';
import { lengthOf, Op, opOf, rdOf } from '../../isa/index.ts';
import { isTranslated, type PageCode } from './pageCode.ts';

const MAX_INSTRUCTIONS = 2048;
/** Bounds the recursion over the dominator tree too. */
const MAX_BLOCKS = 500;
/** Longer straight code is split, so that a budget check is never far (flow.ts). */
const MAX_BLOCK = 128;

/** How a block ends. */
export const End = {
  /** Goes on at `taken`; an unconditional direct jump if `word` is not 0, else it just flows there. */
  jump: 0,
  /** Conditional: `taken` or `next`. */
  branch: 1,
  /** jal that links: leaves the region for `taken`. */
  call: 2,
  /** jalr: leaves the region for an address in a register. */
  indirect: 3,
  /** Leaves the region before the instruction at `last`, which the interpreter executes. */
  interpret: 4,
} as const;

export interface Block {
  readonly start: number;
  /** Offset of the terminator, and so the end of the instructions before it. */
  readonly last: number;
  readonly end: (typeof End)[keyof typeof End];
  /** Decoded words of the terminator; 0 if it is not an instruction of the block. */
  readonly word: number;
  readonly imm: number;
  readonly taken: number;
  /** Offset after the terminator. */
  readonly next: number;
  /** Instructions that the whole block retires. */
  readonly count: number;
}

const isBranch = (op: number): boolean => op >= Op.beq && op <= Op.bgeu;
const endsBlock = (op: number): boolean => (op >= Op.jal && op <= Op.bgeu) || !isTranslated(op);
const inPage = (offset: number): boolean => offset >= 0 && offset < PAGE_SIZE;

/** The blocks reachable from `entry`, by their offset. */
export function discover(page: PageCode, entry: number): Map<number, Block> {
  const survey = surveyFrom(page, entry);
  const blocks = new Map<number, Block>();
  for (const leader of survey.leaders) {
    if (survey.seen[leader] === 1) blocks.set(leader, blockAt(page, leader, survey));
  }
  cutEnclosingLoops(blocks, entry);
  return blocks;
}

interface Survey {
  readonly leaders: Set<number>;
  /** By offset: 1 where an instruction of the region starts. */
  readonly seen: Uint8Array;
}

function surveyFrom(page: PageCode, entry: number): Survey {
  const leaders = new Set([entry]);
  const seen = new Uint8Array(PAGE_SIZE);
  let room = MAX_INSTRUCTIONS;
  for (const leader of leaders) {
    let offset = leader;
    for (let length = 1; inPage(offset) && seen[offset] === 0 && room-- > 0; length++) {
      seen[offset] = 1;
      if (length % MAX_BLOCK === 0) leaders.add(offset);
      const word = page.at(offset);
      if (endsBlock(opOf(word))) {
        addTargets(leaders, page, offset, word);
        break;
      }
      offset += lengthOf(word);
    }
  }
  return { leaders, seen };
}

/** Adds where the terminator at `offset` continues within the region (a Set iterates over what is added meanwhile). */
function addTargets(leaders: Set<number>, page: PageCode, offset: number, word: number): void {
  const op = opOf(word);
  const taken = offset + page.words[offset + 1]!;
  const conditional = isBranch(op);
  if (!conditional && !(op === Op.jal && rdOf(word) === 0)) return;
  for (const target of conditional ? [offset + lengthOf(word), taken] : [taken]) {
    if (inPage(target) && leaders.size < MAX_BLOCKS) leaders.add(target);
  }
}

function blockAt(page: PageCode, start: number, { leaders, seen }: Survey): Block {
  let offset = start;
  let count = 0;
  for (;;) {
    const cut = !inPage(offset) || seen[offset] === 0 || (offset !== start && leaders.has(offset));
    if (cut)
      return { start, last: offset, end: End.jump, word: 0, imm: 0, taken: offset, next: offset, count };
    const word = page.words[offset]!;
    if (endsBlock(opOf(word))) return terminated(page, start, offset, count);
    count++;
    offset += lengthOf(word);
  }
}

function terminated(page: PageCode, start: number, last: number, before: number): Block {
  const word = page.words[last]!;
  const op = opOf(word);
  const imm = page.words[last + 1]!;
  const block = { start, last, word, imm, taken: last + imm, next: last + lengthOf(word), count: before + 1 };
  if (isBranch(op)) return { ...block, end: End.branch };
  if (op === Op.jal) return { ...block, end: rdOf(word) === 0 ? End.jump : End.call };
  if (op === Op.jalr) return { ...block, end: End.indirect };
  return { ...block, end: End.interpret, word: 0, count: before };
}

/**
 * Leaves out code before the entry from which the entry is reached again: such an entry is the header of an inner loop,
 * and with the loops around it the region would be one loop with many back edges, for which the engine's code is a
 * quarter slower than for a nest. The outer loops get a region of their own.
 */
function cutEnclosingLoops(blocks: Map<number, Block>, entry: number): void {
  const before = [...blocks.values()].filter((block) => block.start < entry && block.end <= End.branch);
  before.sort((a, b) => b.start - a.start);
  const outer = new Set([entry]);
  for (let size = 0; size !== outer.size; ) {
    size = outer.size;
    for (const { start, end, taken, next } of before) {
      if (outer.has(taken) || (end === End.branch && outer.has(next))) outer.add(start);
    }
  }
  outer.delete(entry);
  for (const start of outer) blocks.delete(start);
}
