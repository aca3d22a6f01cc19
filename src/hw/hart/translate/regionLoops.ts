// Loops of a region: the natural loops of its flow graph.
//
// Used by pageCaches.ts and words.ts. What a header is flow.ts says; a loop is what leads back to its header without
// passing it.

import type { Flow } from './flow.ts';

/** Blocks are given by their index in the flow. */
export interface RegionLoop {
  readonly header: number;
  /** With the header. */
  readonly blocks: ReadonlySet<number>;
}

/** Outer loops come before those that are in them. */
export function loopsOf({ isLoop, predecessors }: Flow): RegionLoop[] {
  const loops: RegionLoop[] = [];
  isLoop.forEach((is, header) => {
    if (is !== 1) return;
    const blocks = new Set([header, ...predecessors[header]!.filter((i) => i >= header)]);
    for (const i of blocks) if (i !== header) for (const j of predecessors[i]!) blocks.add(j);
    loops.push({ header, blocks });
  });
  return loops;
}
