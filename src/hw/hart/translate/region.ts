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
import { isComputedJump, MAX_TARGETS } from './pageGraph.ts';

const MAX_INSTRUCTIONS = 2048;
/** Bounds the recursion over the dominator tree too. */
const MAX_BLOCKS = 500;
/** Longer straight code is split, so that a budget check is never far (flow.ts). */
const MAX_BLOCK = 128;

/** How a block ends; as far as `choose`, within the region if its targets are there. */
export const End = {
  /** Goes on at `taken`; an unconditional direct jump if `word` is not 0, else it just flows there. */
  jump: 0,
  /** Conditional: `taken` or `next`. */
  branch: 1,
  /** No instruction: `taken` if the indirect jump before leads to the page offset `imm`, else `next`. */
  guess: 2,
  /** No instruction, in a hub (hubs.ts): `taken` if the way into it leads to below the page offset `imm`, else `next`. */
  pick: 3,
  /** No instruction: to the hub at `taken`, and from there to the page offset `imm`. */
  aim: 4,
  /** jalr that does not link, with guesses: goes on at the first of them, `taken`. */
  choose: 5,
  /** jal that links: leaves the region for `taken`. */
  call: 6,
  /** jalr: leaves the region for an address in a register. */
  indirect: 7,
  /** Leaves the region before the instruction at `last`, which the interpreter executes. */
  interpret: 8,
  /** No instruction: leaves the region for where the indirect jump before leads, after all guesses. */
  follow: 9,
} as const;

type EndKind = (typeof End)[keyof typeof End];

/** Offset after what the block executes. */
export const codeEnd = ({ last, word }: Block): number => (word === 0 ? last : last + lengthOf(word));

/** Whether a block may go on at `taken` within the region. */
export const goesOn = (end: EndKind): boolean => end <= End.choose;
/** Whether it may also go on at `next`. */
export const forks = (end: EndKind): boolean => end >= End.branch && end <= End.pick;
/** Whether a block looks where the local `scratch` leads. */
export const isGuess = (end: EndKind): boolean => end === End.guess || end === End.pick;

export interface Block {
  /** Page offset; below 0 for a block without instructions. */
  readonly start: number;
  /** Offset of the terminator, and so the end of the instructions before it. */
  readonly last: number;
  readonly end: EndKind;
  /** Decoded words of the terminator; 0 if it is not an instruction of the block. */
  readonly word: number;
  /** Likewise, or of a block without instructions the page offset that it is about. */
  readonly imm: number;
  readonly taken: number;
  /** Offset after the terminator, unless hubs.ts leads there another way. */
  readonly next: number;
  /** Instructions that the whole block retires. */
  readonly count: number;
}

const isBranch = (op: number): boolean => op >= Op.beq && op <= Op.bgeu;
const endsBlock = (word: number, imm: number): boolean =>
  (opOf(word) >= Op.jal && opOf(word) <= Op.bgeu) || !isTranslated(word, imm);
const inPage = (offset: number): boolean => offset >= 0 && offset < PAGE_SIZE;

/**
 * The blocks reachable from `entry`, by their offset. In a loop the region ends where that loop or one around it begins
 * anew, and where code goes that does not come back: it runs less often, and may never get hot.
 */
export function discover(page: PageCode, entry: number): Map<number, Block> {
  const loops = page.loops.headersAround(entry);
  const ends = loops.filter((header) => header !== entry);
  const survey = surveyFrom(page, entry, ends);
  const blocks = new Map<number, Block>();
  for (const leader of survey.leaders) {
    if (survey.seen[leader] === 1) blocks.set(leader, blockAt(page, leader, survey));
  }
  for (const block of [...blocks.values()]) {
    if (block.end === End.choose) addGuesses(blocks, block, targetsOf(page, block.last));
  }
  if (loops.length > 0) dropOthers(blocks, comingBack(blocks, [entry, ...loops]));
  return blocks;
}

/** The blocks that are headers or lead to one, as far as the region shows: what it leaves for may lead there too. */
function comingBack(blocks: ReadonlyMap<number, Block>, headers: readonly number[]): ReadonlySet<number> {
  const into = new Map<number, number[]>();
  const found = new Set(headers);
  const lead = (start: number, target: number): void => {
    if (!blocks.has(target)) found.add(start);
    const sources = into.get(target);
    if (sources === undefined) into.set(target, [start]);
    else sources.push(start);
  };
  for (const [start, block] of blocks) {
    if (leavesForNow(block)) found.add(start);
    if (goesOn(block.end)) lead(start, block.taken);
    if (forks(block.end)) lead(start, block.next);
  }
  for (const target of found) for (const source of into.get(target) ?? []) found.add(source);
  return found;
}

/** Whether the region is left at the end of a block for what control may come back from: all but a return. */
const leavesForNow = ({ end, word }: Block): boolean =>
  !goesOn(end) && (end !== End.indirect || rdOf(word) !== 0 || isComputedJump(word));

function dropOthers(blocks: Map<number, Block>, kept: ReadonlySet<number>): void {
  for (const start of blocks.keys()) if (!kept.has(start)) blocks.delete(start);
}

interface Survey {
  readonly leaders: Set<number>;
  /** By offset: 1 where an instruction of the region starts. */
  readonly seen: Uint8Array;
}

function surveyFrom(page: PageCode, entry: number, ends: readonly number[]): Survey {
  const leaders = new Set([entry]);
  const seen = new Uint8Array(PAGE_SIZE);
  let room = MAX_INSTRUCTIONS;
  for (const leader of leaders) {
    let offset = leader;
    for (let length = 1; inPage(offset) && seen[offset] === 0 && room-- > 0; length++) {
      if (ends.includes(offset)) break;
      seen[offset] = 1;
      if (length % MAX_BLOCK === 0) leaders.add(offset);
      const word = page.at(offset);
      if (endsBlock(word, page.words[offset + 1]!)) {
        addTargets(leaders, page, offset, word);
        break;
      }
      offset += lengthOf(word);
    }
  }
  return { leaders, seen };
}

/** Where the indirect jump at an offset mostly leads, as far as that is in the page. */
function targetsOf(page: PageCode, offset: number): readonly number[] {
  const word = page.at(offset);
  return isComputedJump(word) ? page.loops.targetsOf(offset) : [];
}

const firstGuess = (jump: number): number => -(jump * MAX_TARGETS) - 1;

/** A chain of blocks, one for each target, and one for all others. */
function addGuesses(blocks: Map<number, Block>, { last, taken }: Block, targets: readonly number[]): void {
  targets.forEach((target, i) => {
    const start = taken - i;
    const jump = { start, last: start, word: 0, imm: target, count: 0 };
    blocks.set(start, { ...jump, end: End.guess, taken: target, next: start - 1 });
  });
  const start = taken - targets.length;
  const others = { start, last: start, word: 0, imm: 0, count: 0 };
  blocks.set(start, { ...others, end: End.follow, taken: last, next: last });
}

/** Adds where the terminator at `offset` continues within the region (a Set iterates over what is added meanwhile). */
function addTargets(leaders: Set<number>, page: PageCode, offset: number, word: number): void {
  const op = opOf(word);
  const taken = offset + page.words[offset + 1]!;
  const conditional = isBranch(op);
  const direct = op === Op.jal && rdOf(word) === 0 ? [taken] : targetsOf(page, offset);
  for (const target of conditional ? [offset + lengthOf(word), taken] : direct) {
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
    if (endsBlock(word, page.words[offset + 1]!)) return terminated(page, start, offset, count);
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
  if (op === Op.jalr && targetsOf(page, last).length > 0)
    return { ...block, end: End.choose, taken: firstGuess(last) };
  if (op === Op.jalr) return { ...block, end: End.indirect };
  return { ...block, end: End.interpret, word: 0, count: before };
}
