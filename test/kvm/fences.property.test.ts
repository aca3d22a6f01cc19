// The invariant I10 and I3 under everything at once (fences.ts), in run mode and interleaved at every point.

import { describe, it } from 'vitest';
import { randomPolicy, runPolicy } from '../../src/sched/index.ts';
import { playFences } from './fences.ts';

const seeds = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

describe('accesses reach only what the tables gave since the last fence', () => {
  it('of one hart, while the host swaps', () => {
    for (const seed of seeds(40)) playFences(seed, { policy: runPolicy(seed), operations: 200 });
  });

  it('of two harts, in run mode', () => {
    for (const seed of seeds(40)) playFences(seed, { policy: runPolicy(seed), harts: 2, operations: 150 });
  });

  it('of two harts, interleaved at every point', () => {
    for (const seed of seeds(60)) playFences(seed, { policy: randomPolicy(seed), harts: 2 });
  });

  it('of three harts, with as few shadow pages as can be', () => {
    for (const seed of seeds(30)) playFences(seed, { policy: randomPolicy(seed), harts: 3, maxMmuPages: 20 });
  });

  it('of two harts with the second stage', () => {
    for (const seed of seeds(30)) playFences(seed, { policy: randomPolicy(seed), harts: 2, mmu: 'tdp' });
  });
});
