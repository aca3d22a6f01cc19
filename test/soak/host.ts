// The soak `host`: random host operations under a running guest that checks its data (test/guests/hostOperations.ts).
// What --count counts is operations; by their seeds, cases take both MMUs, one and two harts, and all kinds of RAM.

import { type Coverage, playHostOperations } from '../guests/hostOperations.ts';
import type { Soak } from './soak.ts';

const CASE_OPERATIONS = 1250;

export function host(): Soak {
  const coverage: Coverage = new Map();
  return {
    caseSize: CASE_OPERATIONS,
    play: (seed, size) => playHostOperations(seed, size, coverage),
    coverage: () => [...coverage].map(([name, count]) => `${name}=${count}`).join(' '),
  };
}
