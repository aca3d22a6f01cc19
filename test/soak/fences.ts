// The soak `fences`: accesses reach only what the tables gave since the last fence (test/kvm/fences.ts).

import { randomPolicy, runPolicy } from '../../src/sched/index.ts';
import { type FenceScenario, playFences } from '../kvm/fences.ts';
import type { Soak } from './soak.ts';

/** In turn, by the seed. */
const scenarios: readonly ((seed: number) => FenceScenario)[] = [
  (seed) => ({ policy: runPolicy(seed), operations: 200 }),
  (seed) => ({ policy: runPolicy(seed), harts: 2, operations: 150 }),
  (seed) => ({ policy: randomPolicy(seed), harts: 2 }),
  (seed) => ({ policy: randomPolicy(seed), harts: 3, maxMmuPages: 20 }),
  (seed) => ({ policy: randomPolicy(seed), harts: 2, mmu: 'tdp' }),
];

export const fences = (): Soak => ({
  caseSize: 1,
  play: (seed) => {
    playFences(seed, scenarios[seed % scenarios.length]!(seed));
  },
});
