// What a process finds in its memory is what it left there, whatever it does to its mappings, whoever forked from it, and
// whatever the host does to its pages meanwhile.

import fc from 'fast-check';
import { describe, it } from 'vitest';
import { hugeProcessesProperty, interleavedProcessesProperty, processesProperty } from './processes.ts';

describe('processes that fork, move and protect their memory', () => {
  it('keep it on tiny hosts', () => {
    fc.assert(processesProperty(80), { numRuns: 40 });
  });

  it('keep it in every interleaving that a random scheduler finds', () => {
    fc.assert(interleavedProcessesProperty(50), { numRuns: 25 });
  });

  it('keep it on hosts with huge pages', () => {
    fc.assert(hugeProcessesProperty(30), { numRuns: 2 });
  });
});
