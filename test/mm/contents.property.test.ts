// Memory keeps its contents whatever the host does to it: random programs on tiny hosts, against a slow obvious model.

import fc from 'fast-check';
import { describe, it } from 'vitest';
import { interleavedProperty, programsProperty, repeatableProperty, threadsProperty } from './contents.ts';

describe('memory contents', () => {
  it('survive random programs on tiny hosts', () => {
    fc.assert(programsProperty(200), { numRuns: 40 });
  });

  it('survive every interleaving that a random scheduler finds, with a point before each access', () => {
    fc.assert(interleavedProperty(120), { numRuns: 40 });
  });

  it('survive threads that fault on the same pages at the same time', () => {
    fc.assert(threadsProperty(), { numRuns: 40 });
  });

  it('and the trace are the same for the same seed', () => {
    fc.assert(repeatableProperty(100), { numRuns: 5 });
  });
});
