// The translator against the interpreter: whatever was translated and however runs are sliced, registers, memory, CSRs,
// TLB contents, counts, statistics and exits are the same.

import fc from 'fast-check';
import { test } from 'vitest';
import { equivalenceProperty, everyBudgetProperty } from './equivalence.ts';

test('translated code does exactly what the interpreter does, at any slicing', () => {
  // The same cases each time; the soak `equivalence` draws new ones.
  fc.assert(equivalenceProperty(), { seed: 1, numRuns: Number(process.env.UMBRA_RUNS ?? 400) });
});

test('translated code does exactly what the interpreter does, at every budget', () => {
  fc.assert(everyBudgetProperty(), { numRuns: Number(process.env.UMBRA_RUNS ?? 20) });
});
