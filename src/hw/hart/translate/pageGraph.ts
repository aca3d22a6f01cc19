// The flow graph of a page: the code that is known there, in stretches that are entered at their first instruction only
// and left at their last, and where control goes on behind each.
//
// Built by loops.ts. Known is what was decoded so far, that is, executed. Functions begin where calls lead, or where
// nothing leads; where computed jumps lead is what the interpreter saw.
//
// It is made anew for each unit, by code that V8 has hardly seen: one look at each instruction, and marks in an array.

import { PAGE_SIZE } from '../../../units.ts';
import { lengthOf, Op, opOf, rdOf, rs1Of } from '../../isa/index.ts';
import type { PageCode } from './pageCode.ts';

/** Targets of one computed jump that are told apart, those first at which the interpreter arrived most often. */
export const MAX_TARGETS = 16;

/** ra and t0, by which functions return. */
const LINK_REGISTERS = (1 << 1) | (1 << 5);

/** Whether an instruction is a jalr that neither calls nor returns. */
export const isComputedJump = (word: number): boolean =>
  opOf(word) === Op.jalr && rdOf(word) === 0 && ((LINK_REGISTERS >>> rs1Of(word)) & 1) === 0;

/** In reverse postorder, node 0 standing for whatever enters the functions of the page. */
export interface PageGraph {
  /** Page offset of a stretch's first instruction, by node. */
  readonly offsets: readonly number[];
  /** By half the page offset of a known instruction: its node. */
  readonly nodes: Uint16Array;
  /** Edges within a function, calls passed over. */
  readonly predecessors: readonly (readonly number[])[];
  /** The same without what lies behind a call: code that a region can stay in. */
  readonly inside: { readonly successors: readonly number[][]; readonly predecessors: readonly number[][] };
  /** By page offset of a computed jump: where it seems to lead, fewer than MAX_TARGETS places. */
  readonly targets: ReadonlyMap<number, readonly number[]>;
}

/** Bits of a mark, which there is for each halfword of the page. */
const Mark = {
  known: 1,
  /** The instruction before it goes on here. */
  flowedTo: 2,
  leader: 4,
  called: 8,
  /** A call returns here. */
  pastCall: 16,
} as const;

interface Step {
  readonly to: number;
  readonly isPastCall: boolean;
}

const OUTSIDE = -1;
const inPage = (offset: number): boolean => offset >= 0 && offset < PAGE_SIZE;
const transfersControl = (word: number): boolean => opOf(word) >= Op.jal && opOf(word) <= Op.bgeu;
const isBranch = (word: number): boolean => opOf(word) >= Op.beq && opOf(word) <= Op.bgeu;
const isCall = (word: number): boolean =>
  (opOf(word) === Op.jal || opOf(word) === Op.jalr) && rdOf(word) !== 0;

export function graphOf(page: PageCode): PageGraph {
  const { known } = page;
  const marks = marksOf(page, known);
  const targets = targetsOfJumps(page, known, marks);
  for (const places of targets.values()) for (const to of places) marks[to >>> 1]! |= Mark.leader;
  const leaders = known.filter((offset) => (marks[offset >>> 1]! & Mark.leader) !== 0);
  const steps = new Map(leaders.map((leader) => [leader, stepsFrom(page, marks, leader, targets)]));
  const order = reversePostorder(steps, marks);
  const nodes = nodesOf(page, order, marks);
  return { nodes, targets, ...numbered(order, steps, nodes) };
}

function marksOf(page: PageCode, known: readonly number[]): Uint8Array {
  const marks = new Uint8Array(PAGE_SIZE / 2);
  for (const offset of known) markNext(page, marks, offset);
  for (const offset of known) {
    const mark = marks[offset >>> 1]!;
    marks[offset >>> 1] = (mark & Mark.flowedTo) === 0 ? mark | Mark.known | Mark.leader : mark | Mark.known;
  }
  return marks;
}

/** Marks where control can go from an instruction. */
function markNext(page: PageCode, marks: Uint8Array, offset: number): void {
  const word = page.at(offset);
  const next = offset + lengthOf(word);
  if (!transfersControl(word)) {
    const leads = inPage(next) && (marks[next >>> 1]! & Mark.flowedTo) !== 0;
    mark(marks, next, leads ? Mark.leader : Mark.flowedTo);
    return;
  }
  if (isBranch(word)) mark(marks, next, Mark.leader);
  else if (isCall(word)) mark(marks, next, Mark.leader | Mark.pastCall);
  if (opOf(word) === Op.jalr) return;
  mark(marks, offset + page.words[offset + 1]!, isCall(word) ? Mark.leader | Mark.called : Mark.leader);
}

function mark(marks: Uint8Array, offset: number, bits: number): void {
  if (inPage(offset)) marks[offset >>> 1]! |= bits;
}

/**
 * Where computed jumps lead: a place at which the interpreter arrived by a jalr belongs to the last computed jump before
 * it, if a return cannot have led there.
 */
function targetsOfJumps(page: PageCode, known: readonly number[], marks: Uint8Array): Map<number, number[]> {
  const targets = new Map<number, number[]>();
  let places: number[] | null = null;
  for (const offset of known) {
    if (page.arrivals(offset) > 0 && (marks[offset >>> 1]! & Mark.pastCall) === 0) places?.push(offset);
    if (!isComputedJump(page.at(offset))) continue;
    places = [];
    targets.set(offset, places);
  }
  for (const [jump, all] of targets) {
    all.sort((a, b) => page.arrivals(b) - page.arrivals(a));
    all.splice(MAX_TARGETS - 1);
    if (all.length === 0) targets.delete(jump);
  }
  return targets;
}

/** Where control goes on within the function behind the stretch that begins at a leader, as far as that is known. */
function stepsFrom(
  page: PageCode,
  marks: Uint8Array,
  leader: number,
  targets: ReadonlyMap<number, readonly number[]>,
): Step[] {
  const last = lastOf(page, marks, leader);
  const word = page.at(last);
  const next = last + lengthOf(word);
  const taken = last + page.words[last + 1]!;
  const isPastCall = isCall(word);
  let places: readonly number[] = targets.get(last) ?? [];
  if (!transfersControl(word) || isPastCall) places = [next];
  else if (isBranch(word)) places = [next, taken];
  else if (opOf(word) === Op.jal) places = [taken];
  return places.filter((to) => isKnown(marks, to)).map((to) => ({ to, isPastCall }));
}

/** The last instruction of the stretch that begins at a leader. */
function lastOf(page: PageCode, marks: Uint8Array, leader: number): number {
  for (let last = leader; ; ) {
    const word = page.at(last);
    const next = last + lengthOf(word);
    if (transfersControl(word) || !isKnown(marks, next) || (marks[next >>> 1]! & Mark.leader) !== 0)
      return last;
    last = next;
  }
}

const isKnown = (marks: Uint8Array, offset: number): boolean =>
  inPage(offset) && (marks[offset >>> 1]! & Mark.known) !== 0;

/** The leaders, behind OUTSIDE; a step from there to each of those without which something would be left out is added. */
function reversePostorder(steps: Map<number, Step[]>, marks: Uint8Array): number[] {
  const order: number[] = [];
  const entered = new Set<number>();
  const outside: Step[] = [];
  const enter = (start: number): void => {
    outside.push({ to: start, isPastCall: true });
    if (entered.has(start)) return;
    entered.add(start);
    const path = [{ offset: start, next: 0 }];
    for (let top = path[0]; top !== undefined; top = path[path.length - 1]) {
      const step = steps.get(top.offset)![top.next++];
      if (step === undefined) {
        order.push(top.offset);
        path.pop();
      } else if (!entered.has(step.to)) {
        entered.add(step.to);
        path.push({ offset: step.to, next: 0 });
      }
    }
  };
  for (const start of startsIn(steps, marks)) enter(start);
  for (const leader of steps.keys()) if (!entered.has(leader)) enter(leader);
  steps.set(OUTSIDE, outside);
  return [...order, OUTSIDE].reverse();
}

/** Where functions begin. */
function startsIn(steps: ReadonlyMap<number, readonly Step[]>, marks: Uint8Array): number[] {
  const ledTo = new Set<number>();
  for (const list of steps.values()) for (const { to } of list) ledTo.add(to);
  return [...steps.keys()].filter(
    (leader) => (marks[leader >>> 1]! & Mark.called) !== 0 || !ledTo.has(leader),
  );
}

function nodesOf(page: PageCode, order: readonly number[], marks: Uint8Array): Uint16Array {
  const nodes = new Uint16Array(PAGE_SIZE / 2);
  order.forEach((leader, node) => {
    if (leader === OUTSIDE) return;
    const last = lastOf(page, marks, leader);
    // Not on behind the last one: what is no instruction has no length.
    for (let offset = leader; offset < last; offset += lengthOf(page.at(offset))) nodes[offset >>> 1] = node;
    nodes[last >>> 1] = node;
  });
  return nodes;
}

function numbered(
  offsets: readonly number[],
  steps: ReadonlyMap<number, readonly Step[]>,
  nodes: Uint16Array,
): Pick<PageGraph, 'offsets' | 'predecessors' | 'inside'> {
  const lists = (): number[][] => offsets.map(() => []);
  const predecessors = lists();
  const inside = { successors: lists(), predecessors: lists() };
  offsets.forEach((offset, i) => {
    for (const { to, isPastCall } of steps.get(offset)!) {
      const j = nodes[to >>> 1]!;
      predecessors[j]!.push(i);
      if (isPastCall) continue;
      inside.successors[i]!.push(j);
      inside.predecessors[j]!.push(i);
    }
  });
  return { offsets, predecessors, inside };
}
