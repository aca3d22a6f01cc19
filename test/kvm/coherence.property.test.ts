// The invariants I1 to I3 under everything that a process can do to the memory of its guest (coherence.ts).

import { describe, expect, it } from 'vitest';
import { randomPolicy, runPolicy } from '../../src/sched/index.ts';
import { playCoherence } from './coherence.ts';

describe.each(['shadow', 'tdp'] as const)(
  'under %s a hart finds what it stored, unless that was dropped',
  (mmu) => {
    it('in run mode', () => {
      for (let seed = 1; seed <= 8; seed++)
        playCoherence(seed, { mmu, policy: runPolicy(seed), operations: 150, hostOperations: 60 });
    });

    it('interleaved at every point', () => {
      for (let seed = 1; seed <= 12; seed++)
        playCoherence(seed, { mmu, policy: randomPolicy(seed), operations: 60, hostOperations: 25 });
    });

    it('interleaved at every point, with hardly any memory', () => {
      for (let seed = 1; seed <= 6; seed++) {
        const policy = randomPolicy(seed);
        playCoherence(seed, { mmu, policy, operations: 60, hostOperations: 10, frames: 34, maxMmuPages: 16 });
      }
    });

    it.each(['shmem', 'file'] as const)('where its memory is a shared mapping of %s', (ramBacking) => {
      const scenario = { mmu, ramBacking };
      for (let seed = 1; seed <= 6; seed++)
        playCoherence(seed, { ...scenario, policy: runPolicy(seed), operations: 150, hostOperations: 60 });
      for (let seed = 1; seed <= 6; seed++)
        playCoherence(seed, { ...scenario, policy: randomPolicy(seed), operations: 60, hostOperations: 25 });
    });

    it('and equal seeds make equal runs', () => {
      const scenario = { mmu, operations: 40, hostOperations: 20 };
      for (const policyOf of [runPolicy, randomPolicy]) {
        const runs = [5, 5, 6].map((seed) => playCoherence(seed, { ...scenario, policy: policyOf(seed) }));
        expect(runs[1]).toEqual(runs[0]);
        expect(runs[2]).not.toEqual(runs[0]);
      }
    });
  },
);
