// The soak `coherence`: a hart finds what it stored, unless that was dropped (test/kvm/coherence.ts).

import { randomPolicy, runPolicy } from '../../src/sched/index.ts';
import { type CoherenceScenario, playCoherence } from '../kvm/coherence.ts';
import type { Soak } from './soak.ts';

/** In turn, by the seed. */
const scenarios: readonly ((seed: number) => CoherenceScenario)[] = (['shadow', 'tdp'] as const).flatMap(
  (mmu) => [
    (seed: number) => ({ mmu, policy: runPolicy(seed), operations: 150, hostOperations: 60 }),
    (seed: number) => ({ mmu, policy: randomPolicy(seed), operations: 60, hostOperations: 25 }),
    (seed: number) => ({
      mmu,
      ramBacking: seed % 4 < 2 ? ('shmem' as const) : ('file' as const),
      policy: seed % 2 === 0 ? runPolicy(seed) : randomPolicy(seed),
      operations: 100,
      hostOperations: 40,
    }),
    (seed: number) => ({
      mmu,
      policy: randomPolicy(seed),
      operations: 60,
      hostOperations: 10,
      frames: 34,
      maxMmuPages: 16,
    }),
  ],
);

export const coherence = (): Soak => ({
  caseSize: 1,
  play: (seed) => {
    playCoherence(seed, scenarios[seed % scenarios.length]!(seed));
  },
});
