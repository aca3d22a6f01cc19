// Control flow of a region: its blocks in reverse postorder, dominators, loops, and where the budget is checked.
//
// Called by the emitter with what region.ts discovered; emitter.ts turns the result into nested WebAssembly blocks.
// WebAssembly has no goto: where structured control flow cannot express an edge (a retreating one whose target does not
// dominate its source), hubs.ts can add blocks. Else, and where that is not enough, the edge leaves the region, and the
// dispatcher finds the way from there.
//
// Source: Ramsey, "Beyond Relooper" (ICFP 2022).

import { dominators, isDominatedBy } from './dominators.ts';
import { type BlockGraph, withHubs, withoutDetours } from './hubs.ts';
import { type Block, End, forks, goesOn } from './region.ts';

/** Where an edge leads that stays not in the region. */
export const LEAVES = -1;

/** Loops of several headers that are within each other. */
const MAX_HUB_DEPTH = 3;

/** The longest path without a budget check, in instructions: also what a slice's end leaves to the interpreter. */
export const MAX_UNCHECKED = 256;

/** All arrays are indexed by reverse postorder; block 0 is the entry. */
export interface Flow {
  readonly blocks: readonly Block[];
  /** Successor of a taken branch or a jump, and of a branch not taken: an index or LEAVES. */
  readonly taken: Int32Array;
  readonly next: Int32Array;
  /** Forward and backward edges into each block, one entry per edge. */
  readonly predecessors: readonly (readonly number[])[];
  /** Children in the dominator tree that several forward edges reach, the last in reverse postorder first. */
  readonly merges: readonly (readonly number[])[];
  readonly isMerge: Uint8Array;
  readonly isLoop: Uint8Array;
  /** Instructions of the longest path up to the next check; 0 where the budget is not checked. */
  readonly budget: Int32Array;
}

/** `hubs`: whether an edge that cannot be expressed leads by way of a hub, or leaves. */
export function analyse(found: ReadonlyMap<number, Block>, entry: number, hubs: boolean): Flow {
  const { blocks, taken, next, dominator } = hubs ? reducible(found, entry) : ordered(found, entry);
  const isLoop = new Uint8Array(blocks.length);
  cutIrreducible(taken, dominator, isLoop);
  cutIrreducible(next, dominator, isLoop);
  const predecessors = predecessorsOf(taken, next);
  const isMerge = Uint8Array.from(predecessors, (list, j) => Number(list.filter((i) => i < j).length > 1));
  const merges = mergeChildren(dominator, isMerge);
  const budget = checkpoints(blocks, taken, next, isLoop);
  return { blocks, taken, next, predecessors, merges, isMerge, isLoop, budget };
}

/** The blocks in their order, with hubs as far as they make loops of one header. */
function reducible(found: ReadonlyMap<number, Block>, entry: number): BlockGraph {
  let graph = ordered(found, entry);
  for (let depth = 0; depth < MAX_HUB_DEPTH; depth++) {
    const blocks = withHubs(graph);
    if (blocks === null) break;
    graph = ordered(blocks, entry);
  }
  const direct = withoutDetours(graph);
  return direct === null ? graph : ordered(direct, entry);
}

function ordered(found: ReadonlyMap<number, Block>, entry: number): BlockGraph {
  const blocks = reversePostorder(found, entry);
  const taken = new Int32Array(blocks.length).fill(LEAVES);
  const next = new Int32Array(blocks.length).fill(LEAVES);
  link(blocks, taken, next);
  const predecessors = predecessorsOf(taken, next);
  return { blocks, taken, next, predecessors, dominator: dominators(predecessors, blocks.length) };
}

/** Offsets of the edges that stay in the region, the fall-through first. */
function* edges(found: ReadonlyMap<number, Block>, block: Block): Generator<number> {
  if (forks(block.end) && found.has(block.next)) yield block.next;
  if (goesOn(block.end) && found.has(block.taken)) yield block.taken;
}

function reversePostorder(found: ReadonlyMap<number, Block>, entry: number): Block[] {
  const order: Block[] = [];
  const entered = new Set([entry]);
  const root = found.get(entry)!;
  const path = [{ block: root, edges: edges(found, root) }];
  while (path.length > 0) {
    const top = path[path.length - 1]!;
    const step = top.edges.next();
    if (step.done) {
      order.push(top.block);
      path.pop();
    } else if (!entered.has(step.value)) {
      entered.add(step.value);
      const block = found.get(step.value)!;
      path.push({ block, edges: edges(found, block) });
    }
  }
  return order.reverse();
}

function link(blocks: readonly Block[], taken: Int32Array, next: Int32Array): void {
  const index = new Map(blocks.map((block, i) => [block.start, i]));
  blocks.forEach((block, i) => {
    if (goesOn(block.end)) taken[i] = index.get(block.taken) ?? LEAVES;
    if (forks(block.end)) next[i] = index.get(block.next) ?? LEAVES;
  });
}

function predecessorsOf(taken: Int32Array, next: Int32Array): number[][] {
  const lists: number[][] = Array.from(taken, () => []);
  for (const successor of [taken, next]) {
    successor.forEach((j, i) => {
      if (j !== LEAVES) lists[j]!.push(i);
    });
  }
  return lists;
}

/** Marks loop headers, and makes retreating edges that enter a loop beside its header leave the region. */
function cutIrreducible(successor: Int32Array, dominator: Int32Array, isLoop: Uint8Array): void {
  successor.forEach((j, i) => {
    if (j === LEAVES || j > i) return;
    if (isDominatedBy(dominator, i, j)) isLoop[j] = 1;
    else successor[i] = LEAVES;
  });
}

function mergeChildren(dominator: Int32Array, isMerge: Uint8Array): number[][] {
  const children: number[][] = Array.from(dominator, () => []);
  for (let j = dominator.length - 1; j > 0; j--) {
    if (isMerge[j] === 1) children[dominator[j]!]!.push(j);
  }
  return children;
}

/**
 * The budget is checked at the entry, at loop headers, where indirect jumps lead, and wherever the path to the next
 * check would grow beyond MAX_UNCHECKED. A single block is shorter than that (region.ts).
 */
function checkpoints(
  blocks: readonly Block[],
  taken: Int32Array,
  next: Int32Array,
  isLoop: Uint8Array,
): Int32Array {
  const budget = new Int32Array(blocks.length);
  const path = new Int32Array(blocks.length);
  for (let i = blocks.length - 1; i >= 0; i--) {
    const room = MAX_UNCHECKED - blocks[i]!.count;
    let rest = 0;
    for (const j of [taken[i]!, next[i]!]) {
      if (j <= i || budget[j] !== 0) continue;
      // A guess has no instruction at which the region could be left.
      const mustCheck = blocks[i]!.end === End.guess && blocks[j]!.count > 0;
      if (path[j]! > room || mustCheck) budget[j] = path[j]!;
      else rest = Math.max(rest, path[j]!);
    }
    path[i] = blocks[i]!.count + rest;
    if (i === 0 || isLoop[i] === 1) budget[i] = Math.max(1, path[i]!);
  }
  return budget;
}
