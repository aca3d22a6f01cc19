// Loops of a page: which loops of the code that is known there enclose an instruction, where they begin, and where its
// computed jumps lead.
//
// Called by region.ts. A region that begins in the middle of a nest of loops would be one loop with many ways round, and
// poor code. It ends instead where an enclosing loop begins anew, and the region that begins there holds the whole loop,
// with the inner ones nested in it.
//
// Where a loop begins cannot be told from its inside: it is where other code enters it. So this looks at all code of the
// page that is known (pageGraph.ts). It only decides what is worth while: any answer gives correct code.

import { dominators, isDominatedBy } from './dominators.ts';
import type { PageCode } from './pageCode.ts';
import { graphOf, type PageGraph } from './pageGraph.ts';

/** A natural loop: a header, and whatever comes back to it from it without a call. Both by node: whether it is so. */
interface PageLoop {
  /** Page offset. */
  readonly header: number;
  readonly comesBack: Uint8Array;
  readonly isReached: Uint8Array;
}

export class PageLoops {
  private readonly graph: PageGraph;
  private readonly loops: readonly PageLoop[];

  constructor(page: PageCode) {
    this.graph = graphOf(page);
    this.loops = findLoops(this.graph);
  }

  /** Where a computed jump seems to lead, fewer than MAX_TARGETS places. */
  targetsOf(jump: number): readonly number[] {
    return this.graph.targets.get(jump) ?? [];
  }

  /** The headers of the loops that an instruction is in. */
  headersAround(offset: number): number[] {
    const node = this.graph.nodes[offset >>> 1]!;
    return this.loops
      .filter(({ comesBack, isReached }) => comesBack[node] === 1 && isReached[node] === 1)
      .map(({ header }) => header);
  }
}

function findLoops({ offsets, predecessors, inside }: PageGraph): PageLoop[] {
  const dominator = dominators(predecessors, offsets.length);
  const loops: PageLoop[] = [];
  for (let header = 1; header < offsets.length; header++) {
    const latches = predecessors[header]!.filter((i) => i >= header && isDominatedBy(dominator, i, header));
    if (latches.length === 0) continue;
    loops.push({
      header: offsets[header]!,
      comesBack: closure(inside.predecessors, latches, header),
      isReached: closure(inside.successors, [header], -1),
    });
  }
  return loops;
}

/** By node: 1 for what edges lead to from some nodes, passing through any but `end`. */
function closure(edges: readonly (readonly number[])[], from: readonly number[], end: number): Uint8Array {
  const found = new Uint8Array(edges.length);
  const waiting = [...from];
  for (const i of from) found[i] = 1;
  for (let i = waiting.pop(); i !== undefined; i = waiting.pop()) {
    if (i === end) continue;
    for (const j of edges[i]!) {
      if (found[j] === 1) continue;
      found[j] = 1;
      waiting.push(j);
    }
  }
  return found;
}
