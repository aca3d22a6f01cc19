// What a run found, as a value: the invariant and one line about it.

import type { InvariantName, Violation } from '../oracle/index.ts';
import type { UmbraBug } from '../units.ts';

export interface Found {
  readonly invariant: InvariantName;
  readonly message: string;
}

export const foundViolation = ({ invariant, message }: Violation): Found => ({ invariant, message });

const CONTEXT =
  /^(lock order violated|possible (circular|recursive) locking|sleeping function called|non_block_end|.* is not held|lock released by)/;
const PROGRESS = /waits? for/;

/** An assertion of production code that failed under a schedule. */
export function foundBug({ message }: UmbraBug): Found {
  if (CONTEXT.test(message)) return { invariant: 'I8', message };
  if (PROGRESS.test(message)) return { invariant: 'I9', message };
  // An assertion of the code itself: something was not what it must be, most often something that is gone.
  return { invariant: 'I7', message };
}
