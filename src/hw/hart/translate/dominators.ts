// Dominators of a flow graph: which nodes every path from the first one to a node passes.
//
// Used by flow.ts for the blocks of a region and by loops.ts for the instructions of a page. Nodes are numbered in reverse
// postorder, and all are reached from node 0.
//
// Source: Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm".

/** Immediate dominators of a graph in reverse postorder; the entry's is itself. */
export function dominators(predecessors: readonly (readonly number[])[], size: number): Int32Array {
  const dominator = new Int32Array(size).fill(-1);
  dominator[0] = 0;
  let changed = true;
  while (changed) {
    changed = false;
    for (let j = 1; j < size; j++) {
      let common = -1;
      for (const i of predecessors[j]!) {
        if (dominator[i] !== -1) common = common === -1 ? i : meet(dominator, i, common);
      }
      if (dominator[j] !== common) {
        dominator[j] = common;
        changed = true;
      }
    }
  }
  return dominator;
}

export const isDominatedBy = (dominator: Int32Array, i: number, j: number): boolean =>
  meet(dominator, i, j) === j;

function meet(dominator: Int32Array, i: number, j: number): number {
  let a = i;
  let b = j;
  while (a !== b) {
    while (a > b) a = dominator[a]!;
    while (b > a) b = dominator[b]!;
  }
  return a;
}
