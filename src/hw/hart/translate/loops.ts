// Loops of a page: which loops of the code that is known there enclose an instruction, where they begin, and where its
// computed jumps lead.
//
// Called by region.ts. A region that begins in the middle of a nest of loops would be one loop with many ways round, and
// poor code. It ends instead where an enclosing loop begins anew, and the region that begins there holds the whole loop,
// with the inner ones nested in it.
//
// Where a loop begins cannot be told from its inside: it is where other code enters it. So this looks at all instructions
// of the page that were decoded so far, that is, executed; functions begin where calls lead, or where nothing leads. It only decides what is worth while: any answer gives correct code.

import { lengthOf, Op, opOf, rdOf, rs1Of } from '../../isa/index.ts';
import { dominators, isDominatedBy } from './dominators.ts';
import type { PageCode } from './pageCode.ts';

/** Targets of one computed jump that are told apart, those first at which the interpreter arrived most often. */
export const MAX_TARGETS = 16;

/** ra and t0, by which functions return. */
const LINK_REGISTERS = (1 << 1) | (1 << 5);

/** Whether an instruction is a jalr that neither calls nor returns. */
export const isComputedJump = (word: number): boolean =>
  opOf(word) === Op.jalr && rdOf(word) === 0 && ((LINK_REGISTERS >>> rs1Of(word)) & 1) === 0;

export class PageLoops {
  /** By page offset of its header: the offsets of a loop's instructions. */
  private readonly loops: ReadonlyMap<number, ReadonlySet<number>>;
  /** By page offset of a computed jump. */
  private readonly targets: ReadonlyMap<number, readonly number[]>;

  constructor(page: PageCode) {
    const { graph, targets } = graphOf(page);
    this.loops = findLoops(graph);
    this.targets = targets;
  }

  /** Where a computed jump seems to lead, at most MAX_TARGETS places. */
  targetsOf(jump: number): readonly number[] {
    return this.targets.get(jump) ?? [];
  }

  /** The headers of the loops that an instruction is in. */
  headersAround(offset: number): number[] {
    return [...this.loops].flatMap(([header, body]) => (body.has(offset) ? header : []));
  }
}

/** A flow graph in reverse postorder, node 0 standing for whatever enters the functions of the page. */
interface Graph {
  /** Page offset by node. */
  readonly offsets: readonly number[];
  /** Edges within a function, calls passed over. */
  readonly predecessors: readonly (readonly number[])[];
  /** The same without what lies behind a call: code that a region can stay in. */
  readonly inside: { readonly successors: readonly number[][]; readonly predecessors: readonly number[][] };
}

/** Natural loops: a header, and whatever comes back to it from it without a call. */
function findLoops({ offsets, predecessors, inside }: Graph): Map<number, Set<number>> {
  const dominator = dominators(predecessors, offsets.length);
  const loops = new Map<number, Set<number>>();
  for (let header = 1; header < offsets.length; header++) {
    const latches = predecessors[header]!.filter((i) => i >= header && isDominatedBy(dominator, i, header));
    if (latches.length === 0) continue;
    const comeBack = closure(inside.predecessors, latches, header);
    const reached = closure(inside.successors, [header], -1);
    loops.set(offsets[header]!, new Set([...comeBack].filter((i) => reached.has(i)).map((i) => offsets[i]!)));
  }
  return loops;
}

/** What edges lead to from some nodes, passing through any but `end`. */
function closure(edges: readonly (readonly number[])[], from: readonly number[], end: number): Set<number> {
  const found = new Set(from);
  for (const i of found) {
    if (i !== end) for (const j of edges[i]!) found.add(j);
  }
  return found;
}

const OUTSIDE = -1;

interface Step {
  readonly to: number;
  readonly isPastCall: boolean;
}

function graphOf(page: PageCode): { graph: Graph; targets: Map<number, number[]> } {
  const steps = new Map<number, Step[]>();
  const called = new Set<number>();
  for (const offset of page.known()) steps.set(offset, []);
  for (const [offset, list] of steps) {
    list.push(...stepsFrom(page, offset, called).filter(({ to }) => steps.has(to)));
  }
  const targets = targetsOfJumps(page, steps);
  for (const [jump, places] of targets) {
    for (const to of places) steps.get(jump)!.push({ to, isPastCall: false });
  }
  const entered = new Set([...steps.values()].flatMap((list) => list.map(({ to }) => to)));
  const starts = [...steps.keys()].filter((offset) => called.has(offset) || !entered.has(offset));
  const { order, rest } = postorder(steps, starts);
  const outside = [...starts, ...rest].map((to) => ({ to, isPastCall: true }));
  steps.set(OUTSIDE, outside);
  return { graph: numbered([...order, OUTSIDE].reverse(), steps), targets };
}

/**
 * Where computed jumps lead: a place at which the interpreter arrived by a jalr belongs to the last computed jump before
 * it, if a return cannot have led there.
 */
function targetsOfJumps(page: PageCode, steps: ReadonlyMap<number, readonly Step[]>): Map<number, number[]> {
  const pastCalls = new Set(
    [...steps.values()].flat().flatMap(({ to, isPastCall }) => (isPastCall ? to : [])),
  );
  const targets = new Map<number, number[]>();
  let places: number[] | null = null;
  for (const offset of steps.keys()) {
    if (page.arrivals(offset) > 0 && !pastCalls.has(offset)) places?.push(offset);
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

function numbered(offsets: readonly number[], steps: ReadonlyMap<number, readonly Step[]>): Graph {
  const node = new Map(offsets.map((offset, i) => [offset, i]));
  const lists = (): number[][] => offsets.map(() => []);
  const predecessors = lists();
  const inside = { successors: lists(), predecessors: lists() };
  offsets.forEach((offset, i) => {
    for (const { to, isPastCall } of steps.get(offset)!) {
      const j = node.get(to)!;
      predecessors[j]!.push(i);
      if (isPastCall) continue;
      inside.successors[i]!.push(j);
      inside.predecessors[j]!.push(i);
    }
  });
  return { offsets, predecessors, inside };
}

/** Where control goes on within the function; what it calls is added to `called`. */
function stepsFrom(page: PageCode, offset: number, called: Set<number>): Step[] {
  const word = page.at(offset);
  const op = opOf(word);
  const step = (to: number, isPastCall = false): Step => ({ to, isPastCall });
  const next = offset + lengthOf(word);
  const taken = offset + page.words[offset + 1]!;
  if (op >= Op.beq && op <= Op.bgeu) return [step(next), step(taken)];
  if (op === Op.jalr) return rdOf(word) === 0 ? [] : [step(next, true)];
  if (op !== Op.jal) return [step(next)];
  if (rdOf(word) === 0) return [step(taken)];
  called.add(taken);
  return [step(next, true)];
}

/** All in postorder from the starts; `rest` are further starts, without which something would be left out. */
function postorder(
  steps: ReadonlyMap<number, readonly Step[]>,
  starts: readonly number[],
): { order: number[]; rest: number[] } {
  const order: number[] = [];
  const rest: number[] = [];
  const entered = new Set<number>();
  const visit = (start: number): void => {
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
  for (const start of starts) if (!entered.has(start)) visit(start);
  for (const offset of steps.keys()) {
    if (entered.has(offset)) continue;
    rest.push(offset);
    visit(offset);
  }
  return { order, rest };
}
