// The translator against the interpreter: whatever was translated and however runs are sliced, registers, memory, CSRs,
// TLB contents, counts, statistics and exits are the same.

import fc from 'fast-check';
import { test } from 'vitest';
import { equivalenceProperty, everyBudgetProperty } from './equivalence.ts';
import type { RandomGuest } from './randomGuest.ts';

/**
 * A computed jump into the middle of an instruction, from where it jumps there again: what it is expected to do heads a
 * loop.
 */
const jumpsIntoItself: RandomGuest = {
  code: [
    [819, 5],
    [29971, 483, 1331, 149, 103, 133],
    [55, 0],
    [8239, 6356],
    [55, 0],
    [8239, 4100],
  ],
  lead: 42,
  mode: 'M',
  delegates: false,
  period: 0,
  permissions: [2, 2, 2, 2, 2, 2, 2, 2],
  registers: [
    0n,
    0n,
    -9223372036854775808n,
    0n,
    0n,
    -9223372036854775808n,
    -9223372036854775808n,
    -9223372036854775808n,
    0n,
    0n,
    8646911284551352308n,
    0n,
    -9223372036854775808n,
    0n,
    0n,
    -9223372036854775808n,
    0n,
    0n,
    -9223372036854775808n,
    -9223372036854775808n,
    -9223372036854775808n,
    0n,
    -9223372036854775808n,
    0n,
    0n,
    0n,
    0n,
    0n,
    -9223372036854775808n,
    -9223372036854775808n,
    0n,
    -9223372036854775808n,
  ],
};

test('translated code does exactly what the interpreter does, at any slicing', () => {
  // The same cases each time; the soak `equivalence` draws new ones.
  fc.assert(equivalenceProperty(), {
    seed: 1,
    numRuns: Number(process.env.UMBRA_RUNS ?? 250),
    examples: [[jumpsIntoItself, [[200, 326]], 'shadow', false, { hotAt: 1, hubsFor: 1e9 }]],
  });
});

test('translated code does exactly what the interpreter does, at every budget', () => {
  fc.assert(everyBudgetProperty(), { numRuns: Number(process.env.UMBRA_RUNS ?? 20) });
});
