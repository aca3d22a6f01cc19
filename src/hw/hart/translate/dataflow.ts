// Dataflow of a region: which guest registers must be loaded at its entry, and which are dirty where it leaves.
//
// Called by the emitter. Registers live in WebAssembly locals while a region runs; an exit stores back exactly those
// that may have been written on the way to it. Sets are masks, bit r for register r; x0 is in none.
//
// Invariants: a register that is dirty at an exit was loaded or written on every path to it, since the exit counts as
// a use. An access to memory is an exit too: it leaves before its instruction when the TLB misses.

import { lengthOf, Op, opOf, rdOf, rs1Of, rs2Of } from '../../isa/index.ts';
import { type Flow, LEAVES } from './flow.ts';
import { crossesPage } from './pageCode.ts';
import { type Block, End, forks } from './region.ts';

export interface Dataflow {
  /** Registers that a path from the region's start may have written before each block, and after it. */
  readonly dirtyIn: Int32Array;
  readonly dirtyOut: Int32Array;
  /** Registers to load when the region is entered. */
  readonly liveAtEntry: number;
  /** Registers that need a local. */
  readonly used: number;
  /** The different sets that are dirty where the region can be left for the interpreter. */
  readonly exitSets: readonly number[];
}

const NOT_X0 = ~1;

/** The register that an instruction writes. Of the formats without rd, the decoded field is 0. */
export const writes = (word: number): number => (1 << rdOf(word)) & NOT_X0;
const reads = (word: number): number => ((1 << rs1Of(word)) | (1 << rs2Of(word))) & NOT_X0;

/**
 * Whether the region can be left before an instruction: at an access that misses or lacks privilege, or a fetch from
 * the next page.
 */
const mayLeave = (word: number, offset: number): boolean =>
  touchesMemory(opOf(word)) || opOf(word) >= Op.csrrw || crossesPage(word, offset);
const touchesMemory = (op: number): boolean =>
  (op >= Op.lb && op <= Op.sd) || (op >= Op.lr_w && op <= Op.amomaxu_d);

/** Visits the instructions of a block that retire, its terminator included. */
function forEachInstruction(
  words: Int32Array,
  block: Block,
  visit: (word: number, offset: number) => void,
): void {
  for (let o = block.start; o < block.last; o += lengthOf(words[o]!)) visit(words[o]!, o);
  if (block.word !== 0) visit(block.word, block.last);
}

export function solve(flow: Flow, words: Int32Array): Dataflow {
  const { dirtyIn, dirtyOut } = solveDirty(flow, words);
  const effects = flow.blocks.map((block, i) => blockEffect(words, block, dirtyIn[i]!));
  const liveIn = solveLive(flow, effects, dirtyIn, dirtyOut);
  const exits = new Set<number>();
  let used = liveIn[0]!;
  flow.blocks.forEach((block, i) => {
    used |= dirtyOut[i]! | liveIn[i]! | effects[i]!.reads;
    for (const dirty of effects[i]!.exits) exits.add(dirty);
    if (flow.budget[i] !== 0) exits.add(dirtyIn[i]!);
    if (block.end === End.interpret) exits.add(dirtyOut[i]!);
  });
  return { dirtyIn, dirtyOut, liveAtEntry: liveIn[0]!, used, exitSets: [...exits] };
}

/** By block: the registers that instructions read from it on before any writes them; the region's exits do not count. */
export function solveNeeded(flow: Flow, words: Int32Array): Int32Array {
  const none = new Int32Array(flow.blocks.length);
  const effects = flow.blocks.map((block) => blockEffect(words, block, 0));
  return solveLive({ ...flow, budget: none }, effects, none, none);
}

function solveDirty(flow: Flow, words: Int32Array): { dirtyIn: Int32Array; dirtyOut: Int32Array } {
  const written = Int32Array.from(flow.blocks, (block) => {
    let mask = 0;
    forEachInstruction(words, block, (word) => {
      mask |= writes(word);
    });
    return mask;
  });
  const dirtyIn = new Int32Array(flow.blocks.length);
  const dirtyOut = Int32Array.from(written);
  let changed = true;
  while (changed) {
    changed = false;
    for (let i = 0; i < dirtyIn.length; i++) {
      let mask = dirtyIn[i]!;
      for (const j of flow.predecessors[i]!) mask |= dirtyOut[j]!;
      if (mask === dirtyIn[i]) continue;
      dirtyIn[i] = mask;
      dirtyOut[i] = mask | written[i]!;
      changed = true;
    }
  }
  return { dirtyIn, dirtyOut };
}

interface Effect {
  /** Registers that the block writes before any use. */
  readonly kill: number;
  /** Registers that it uses before it writes them. */
  readonly use: number;
  readonly reads: number;
  /** Dirty sets at the instructions before which it may leave. */
  readonly exits: readonly number[];
}

function blockEffect(words: Int32Array, block: Block, dirtyIn: number): Effect {
  const exits: number[] = [];
  let kill = 0;
  let use = 0;
  let read = 0;
  forEachInstruction(words, block, (word, offset) => {
    const leaves = mayLeave(word, offset);
    if (leaves) exits.push(dirtyIn | kill);
    use |= (reads(word) | (leaves ? dirtyIn : 0)) & ~kill;
    kill |= writes(word);
    read |= reads(word);
  });
  return { kill, use, reads: read, exits };
}

function solveLive(
  flow: Flow,
  effects: readonly Effect[],
  dirtyIn: Int32Array,
  dirtyOut: Int32Array,
): Int32Array {
  const liveIn = new Int32Array(flow.blocks.length);
  let changed = true;
  while (changed) {
    changed = false;
    for (let i = liveIn.length - 1; i >= 0; i--) {
      let live = successorNeeds(flow.taken[i]!, liveIn, dirtyOut[i]!);
      if (forks(flow.blocks[i]!.end)) live |= successorNeeds(flow.next[i]!, liveIn, dirtyOut[i]!);
      live = (live & ~effects[i]!.kill) | effects[i]!.use;
      if (flow.budget[i] !== 0) live |= dirtyIn[i]!;
      if (live === liveIn[i]) continue;
      liveIn[i] = live;
      changed = true;
    }
  }
  return liveIn;
}

const successorNeeds = (j: number, liveIn: Int32Array, dirty: number): number =>
  j === LEAVES ? dirty : liveIn[j]!;
