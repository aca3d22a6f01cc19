// A mutant: one step of the protocol taken away or put elsewhere, to see whether the standing scenarios notice.
//
// Not exhibits: most were never in a kernel. Some change nothing that anybody can see; those are marked as
// equivalent, with why.

import type { SourceEdit } from '../../src/loader/index.ts';

export interface Mutant {
  readonly name: string;
  readonly edits: readonly SourceEdit[];
  /** Why nobody can tell it from production. */
  readonly equivalent?: string;
}

export const mutant = (name: string, file: string, find: string, replace: string): Mutant => ({
  name,
  edits: [{ file, find, replace }],
});
