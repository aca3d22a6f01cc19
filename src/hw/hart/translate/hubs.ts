// Hubs: how a region stays in a loop that can be entered at several places.
//
// Called by flow.ts. WebAssembly has no such loops. State machines are full of them once a compiler lets each state jump
// straight to the next; to leave the region at each of those jumps would take a copy of the machine for each state. Instead
// all ways to the places where the loop is entered lead to one more block, its hub, where a look at the local `scratch`
// finds the place: the hub is then the only header.
//
// Invariants: `scratch` holds the address of the place on each way into a hub. The blocks that are added execute no
// instruction, and all but the first of a hub have one predecessor.

import { PAGE_SIZE } from '../../../units.ts';
import { isDominatedBy } from './dominators.ts';
import { MAX_TARGETS } from './pageGraph.ts';
import { type Block, End, forks, goesOn } from './region.ts';

/** In reverse postorder, block 0 being the entry. */
export interface BlockGraph {
  readonly blocks: readonly Block[];
  /** By block: an index, or below 0 for what is not in the region (flow.ts). */
  readonly taken: Int32Array;
  readonly next: Int32Array;
  readonly predecessors: readonly (readonly number[])[];
  readonly dominator: Int32Array;
}

/** Places among which a hub can choose: it tries one after the other. */
const MAX_PLACES = 24;
/** Below the starts of all blocks that region.ts makes. */
const LAST_START = -(PAGE_SIZE + 1) * MAX_TARGETS;

/** The blocks with hubs for the loops that have several headers, or null when there is none to add. */
export function withHubs(graph: BlockGraph): Map<number, Block> | null {
  const blocks = new Map(graph.blocks.map((block) => [block.start, block]));
  for (const places of placesByLoop(graph)) {
    if (places.length <= MAX_PLACES && places.every((start) => start >= 0)) addHub(blocks, places);
  }
  return blocks.size > graph.blocks.length ? blocks : null;
}

/** Where the loops without a single header are entered: starts of blocks; those with the same dominator together. */
function placesByLoop(graph: BlockGraph): readonly (readonly number[])[] {
  const { blocks, predecessors, dominator } = graph;
  const found = new Map<number, Set<number>>();
  predecessors.forEach((sources, j) => {
    if (!sources.some((i) => i >= j && !isDominatedBy(dominator, i, j))) return;
    const outside = dominator[j]!;
    const places = found.get(outside) ?? new Set();
    found.set(outside, places);
    if (places.has(blocks[j]!.start)) return;
    for (const place of entriesOf(graph, j, outside)) places.add(blocks[place]!.start);
  });
  return Array.from(found.values(), (places) => [...places]);
}

/** Blocks of the largest loop with block j in what block `outside` dominates to which others of it lead. */
function entriesOf(graph: BlockGraph, j: number, outside: number): number[] {
  const { taken, next, predecessors, dominator } = graph;
  const isInside = (i: number): boolean => i >= 0 && i !== outside && isDominatedBy(dominator, i, outside);
  const reached = closure((i) => [taken[i]!, next[i]!], j, isInside);
  const loop = closure(
    (i) => predecessors[i]!,
    j,
    (i) => reached.has(i),
  );
  return [...loop].filter((i) => predecessors[i]!.some((source) => !loop.has(source)));
}

function closure(
  edges: (i: number) => readonly number[],
  from: number,
  isInside: (i: number) => boolean,
): ReadonlySet<number> {
  const found = new Set([from]);
  for (const i of found) for (const j of edges(i)) if (isInside(j)) found.add(j);
  return found;
}

function addHub(blocks: Map<number, Block>, places: readonly number[]): void {
  let free = Math.min(LAST_START, ...blocks.keys());
  const add = (block: Pick<Block, 'end' | 'imm' | 'taken' | 'next'>): number => {
    const start = --free;
    blocks.set(start, { ...block, start, last: start, word: 0, count: 0 });
    return start;
  };
  const inside = [...blocks.values()];
  /** Halves them until one is left. */
  const find = (among: readonly number[]): number => {
    if (among.length === 1) return among[0]!;
    const half = among.length >>> 1;
    const above = find(among.slice(half));
    return add({ end: End.pick, imm: among[half]!, taken: find(among.slice(0, half)), next: above });
  };
  const hub = find(places.toSorted((a, b) => a - b));
  const wayTo = (place: number): number => add({ end: End.aim, imm: place, taken: hub, next: place });
  for (const block of inside) {
    const isTaken = goesOn(block.end) && places.includes(block.taken);
    const isNext = forks(block.end) && places.includes(block.next);
    if (!isTaken && !isNext) continue;
    const taken = isTaken ? wayTo(block.taken) : block.taken;
    blocks.set(block.start, { ...block, taken, next: isNext ? wayTo(block.next) : block.next });
  }
}

/** The blocks without the detours by way of a hub from within a loop of a place to that place; null: there are none. */
export function withoutDetours({ blocks, dominator }: BlockGraph): Map<number, Block> | null {
  const at = new Map(blocks.map((block, i) => [block.start, i]));
  const detours = blocks.filter(
    ({ end, imm }, i) => end === End.aim && isDominatedBy(dominator, i, at.get(imm)!),
  );
  if (detours.length === 0) return null;
  const all = new Map(blocks.map((block) => [block.start, block]));
  for (const block of detours) all.set(block.start, { ...block, end: End.jump, taken: block.imm });
  return all;
}
