// What is in a file or a shmem object is what was written there, whatever the host does to its pages meanwhile.

import fc from 'fast-check';
import { describe, it } from 'vitest';
import { fileProgramsProperty, interleavedFilesProperty } from './fileContents.ts';

describe('the contents of files and shmem objects', () => {
  it('survive random programs, writeback and reclaim on tiny hosts', () => {
    fc.assert(fileProgramsProperty(80), { numRuns: 60, seed: 4 });
  });

  it('survive every interleaving that a random scheduler finds, with a point before each access', () => {
    fc.assert(interleavedFilesProperty(30), { numRuns: 60, seed: 5 });
  });
});
