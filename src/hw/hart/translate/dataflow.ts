// Dataflow of a region: which guest registers must be loaded at its entry, and which are dirty where it leaves.
//
// Called by the emitter. Registers live in WebAssembly locals while a region runs; an exit stores back exactly those
// that may have been written on the way to it. Sets are masks, bit r for register r; x0 is in none.
//
// Invariants: a register that is dirty at an exit was loaded or written on every path to it, since the exit counts as
// a use. An access to memory is an exit too: it leaves before its instruction when the TLB misses.

import { lengthOf, Op, opOf, rdOf, rs1Of, rs2Of } from '../../isa/index.ts';
import type { CodePage } from '../codeCache.ts';
import { type Flow, LEAVES } from './flow.ts';
import { type Block, End } from './region.ts';

export interface Dataflow {
  /** Registers that a path from the region's start may have written before each block, and after it. */
  readonly dirtyIn: Int32Array;
  readonly dirtyOut: Int32Array;
  /** Registers to load when the region is entered. */
  readonly liveAtEntry: number;
  /** Registers that need a local. */
  readonly used: number;
}

const NOT_X0 = ~1;

/** The register that an instruction writes. Of the formats without rd, the decoded field is 0. */
export const writes = (word: number): number => (1 << rdOf(word)) & NOT_X0;
const reads = (word: number): number => ((1 << rs1Of(word)) | (1 << rs2Of(word))) & NOT_X0;

/** Loads, stores and atomics. */
export const touchesMemory = (op: number): boolean =>
  (op >= Op.lb && op <= Op.sd) || (op >= Op.lr_w && op <= Op.amomaxu_d);

export function solve(flow: Flow, page: CodePage): Dataflow {
  const { dirtyIn, dirtyOut } = solveDirty(flow, page);
  const liveIn = solveLive(flow, page, dirtyIn, dirtyOut);
  let used = liveIn[0]!;
  flow.blocks.forEach((block, i) => {
    used |= dirtyOut[i]! | liveIn[i]! | blockReads(page, block);
  });
  return { dirtyIn, dirtyOut, liveAtEntry: liveIn[0]!, used };
}

function solveDirty(flow: Flow, page: CodePage): { dirtyIn: Int32Array; dirtyOut: Int32Array } {
  const written = Int32Array.from(flow.blocks, (block) => blockWrites(page, block));
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

function blockWrites(page: CodePage, block: Block): number {
  let mask = writes(block.word);
  for (let o = block.start; o < block.last; o += lengthOf(page.words[o]!)) mask |= writes(page.words[o]!);
  return mask;
}

function blockReads(page: CodePage, block: Block): number {
  let mask = reads(block.word);
  for (let o = block.start; o < block.last; o += lengthOf(page.words[o]!)) mask |= reads(page.words[o]!);
  return mask;
}

function solveLive(flow: Flow, page: CodePage, dirtyIn: Int32Array, dirtyOut: Int32Array): Int32Array {
  const effects = flow.blocks.map((block, i) => blockEffect(page, block, dirtyIn[i]!));
  const liveIn = new Int32Array(flow.blocks.length);
  let changed = true;
  while (changed) {
    changed = false;
    for (let i = liveIn.length - 1; i >= 0; i--) {
      const block = flow.blocks[i]!;
      let live = successorNeeds(flow.taken[i]!, liveIn, dirtyOut[i]!);
      if (block.end === End.branch) live |= successorNeeds(flow.next[i]!, liveIn, dirtyOut[i]!);
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

/** Registers that a block writes before any use, and those that it uses before it writes them. */
function blockEffect(page: CodePage, block: Block, dirtyIn: number): { kill: number; use: number } {
  let kill = 0;
  let use = 0;
  for (let o = block.start; o < block.last; o += lengthOf(page.words[o]!)) {
    const word = page.words[o]!;
    const exit = touchesMemory(opOf(word)) ? dirtyIn | kill : 0;
    use |= (reads(word) | exit) & ~kill;
    kill |= writes(word);
  }
  use |= reads(block.word) & ~kill;
  return { kill: kill | writes(block.word), use };
}
