// Page caches: accesses in a loop that mostly lead to the page of the one before: to a small table, or off a pointer that
// stays or moves on.
//
// Called by emitter.ts. While a region runs, nothing changes the TLB, so what it said of a page holds until the region is
// left. A cache is two words in the host's memory, behind the TLB: a page's address and the host's distance from it; an
// access that goes through one asks the TLB only when its page is another. That takes half the instructions, and none of
// them waits for the address (a CRC runs half as fast again, a loop over strings a fifth). Two locals instead would cost
// what they spare: V8 has them on its stack, and moves them from one place there to another.
//
// Asking the TLB after all is code too. In a loop of many instructions, most of which a round leaves out, it outweighs
// what is spared: there only tables have caches.
//
// Invariants: an access goes through a cache of its kind, load or store, so that a cached page permits it; a region
// empties the caches that it uses when it begins.

import { lengthOf, Op, opOf, rdOf, rs1Of, rs2Of } from '../../isa/index.ts';
import { PAGE_CACHES } from '../../tlb/index.ts';
import type { Flow } from './flow.ts';
import type { Block } from './region.ts';
import { loopsOf } from './regionLoops.ts';

export interface PageCaches {
  readonly count: number;
  /** The cache of an access, by page offset. */
  readonly of: ReadonlyMap<number, number>;
}

/** A register that moves by more than this per round changes page too often. */
const MAX_STEP = 1024;
/** Instructions of a loop in which any access may have a cache. */
const MAX_LOOP = 32;
/** An index up to this mostly leads to the page that its base is in. */
const MAX_INDEX = 4096;
/** Definitions that are followed back from an access. */
const MAX_DEPTH = 4;

export function planPageCaches(flow: Flow, words: Int32Array): PageCaches {
  const of = new Map<number, number>();
  const caches = new Map<number, number>();
  const loops = innermostLoops(flow);
  flow.blocks.forEach((block, i) => {
    const loop = loops[i];
    if (loop === undefined) return;
    for (let at = block.start; at < block.last; at += lengthOf(words[at]!)) {
      const op = opOf(words[at]!);
      if (op < Op.lb || op > Op.sd) continue;
      const root = rootOf(words, block, at, loop);
      if (root === 0) continue;
      const key = root * 2 + Number(op >= Op.sb);
      const cache = caches.get(key) ?? (caches.size < PAGE_CACHES ? caches.size : undefined);
      if (cache === undefined) continue;
      caches.set(key, cache);
      of.set(at, cache);
    }
  });
  return { count: caches.size, of };
}

/** What is asked of the code of a loop. */
class Loop {
  readonly blocks: readonly Block[];
  readonly instructions: number;
  private registers = -1;

  constructor(blocks: readonly Block[]) {
    this.blocks = blocks;
    this.instructions = blocks.reduce((sum, { count }) => sum + count, 0);
  }

  /** Mask of the registers that the loop never writes, or only moves by small steps. */
  steady(words: Int32Array): number {
    if (this.registers === -1) this.registers = this.findSteady(words);
    return this.registers;
  }

  private findSteady(words: Int32Array): number {
    let steady = ~1;
    for (const block of this.blocks) {
      for (let at = block.start; at < block.last; at += lengthOf(words[at]!)) {
        const word = words[at]!;
        const step =
          opOf(word) === Op.addi && rs1Of(word) === rdOf(word) ? Math.abs(words[at + 1]!) : Infinity;
        if (step > MAX_STEP) steady &= ~(1 << rdOf(word));
      }
      if (block.word !== 0) steady &= ~(1 << rdOf(block.word));
    }
    return steady & ~1;
  }
}

/** By block: the smallest loop that it is in. */
function innermostLoops(flow: Flow): (Loop | undefined)[] {
  const loops: (Loop | undefined)[] = flow.blocks.map(() => undefined);
  for (const { blocks } of loopsOf(flow)) {
    const loop = new Loop([...blocks].map((i) => flow.blocks[i]!));
    for (const i of blocks) loops[i] = loop;
  }
  return loops;
}

/** The steady register from which an access is never far; 0: there is none. */
function rootOf(words: Int32Array, block: Block, access: number, loop: Loop): number {
  const base = rs1Of(words[access]!);
  const steady = loop.steady(words);
  if (loop.instructions > MAX_LOOP || ((steady >>> base) & 1) === 0)
    return tableOf(words, block, access, steady);
  return base;
}

/** The steady register to which an access adds a small index; 0: there is none. */
function tableOf(words: Int32Array, block: Block, access: number, steady: number): number {
  const writer = writerBefore(words, block, access, rs1Of(words[access]!));
  if (writer < 0 || opOf(words[writer]!) !== Op.add) return 0;
  const sources = [rs1Of(words[writer]!), rs2Of(words[writer]!)] as const;
  for (const [table, index] of [sources, [sources[1], sources[0]]] as const) {
    const root = steadyRoot(words, block, writer, table, steady);
    if (root !== 0 && largest(words, block, writer, index, MAX_DEPTH) <= MAX_INDEX) return root;
  }
  return 0;
}

/** The steady register that a register is, or is a small distance from; 0: there is none. */
function steadyRoot(words: Int32Array, block: Block, at: number, register: number, steady: number): number {
  const writer = writerBefore(words, block, at, register);
  if (writer < 0) return (steady >>> register) & 1 ? register : 0;
  const isNear = opOf(words[writer]!) === Op.addi && Math.abs(words[writer + 1]!) <= MAX_STEP;
  const source = rs1Of(words[writer]!);
  if (!isNear || ((steady >>> source) & 1) === 0) return 0;
  return writerBefore(words, block, writer, source) < 0 ? source : 0;
}

/** The largest value that a register can have before an instruction, as far as its block tells. */
function largest(words: Int32Array, block: Block, at: number, register: number, depth: number): number {
  if (register === 0) return 0;
  const writer = writerBefore(words, block, at, register);
  if (writer < 0 || depth < 0) return Infinity;
  const word = words[writer]!;
  const imm = words[writer + 1]!;
  const of = (source: number): number => largest(words, block, writer, source, depth - 1);
  switch (opOf(word)) {
    case Op.addi:
    case Op.addiw:
      return imm >= 0 ? of(rs1Of(word)) + imm : Infinity;
    case Op.add:
    case Op.addw:
      return of(rs1Of(word)) + of(rs2Of(word));
    case Op.lbu:
      return 255;
    case Op.andi:
      return imm >= 0 ? imm : Infinity;
    case Op.slli:
      return of(rs1Of(word)) * 2 ** imm;
    case Op.srliw:
      return 2 ** (32 - imm);
    case Op.srli:
      return 2 ** (64 - imm);
    default:
      return Infinity;
  }
}

/** The last instruction of the block before `at` that writes a register, or -1. */
function writerBefore(words: Int32Array, block: Block, at: number, register: number): number {
  let writer = -1;
  for (let o = block.start; o < at; o += lengthOf(words[o]!)) {
    if (rdOf(words[o]!) === register) writer = o;
  }
  return writer;
}
