// An exhibit: a bug that was in a kernel, put back into production code by a source edit, and what finds it.

import type { SourceEdit } from '../loader/index.ts';
import type { InvariantName } from '../oracle/index.ts';

export interface Exhibit {
  /** Short, for the command line. */
  readonly name: string;
  readonly title: string;
  /** Commit or CVE, as the kernel's history knows it. */
  readonly source: string;
  readonly invariant: InvariantName;
  /** The standing scenario that shows it; production passes it. */
  readonly scenario: string;
  readonly edits: readonly SourceEdit[];
  /** Fewest pre-emptions of a schedule that shows it. */
  readonly preemptions: number;
  /** About how many steps all tasks take in it; other versions of production take a few more or less. */
  readonly steps: number;
  /** Schedules within which it must be found. */
  readonly budget: { readonly bounded: number; readonly pos: number };
  /** What happened, for whoever reads it first. */
  readonly story: string;
  /** What production code does instead. */
  readonly fix: string;
}
