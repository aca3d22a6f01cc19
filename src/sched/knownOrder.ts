// Which links between classes of locks go together without a circle: a memory of lockdep.ts that outlives a run that is
// explored, so that what every run does again is not looked through again.
//
// The loader leaves it out of the undo log. Invariant: what is in here, of whatever runs, has no circle; so no part of it
// has one, and what it answers changes no verdict.

import { LOCK_CLASSES } from './lockOrder.ts';

export class KnownOrder {
  /** By from * LOCK_CLASSES + to: 1 if there is a way. */
  readonly #reaches = new Uint8Array(LOCK_CLASSES * LOCK_CLASSES);

  /** The link, by the indices of its classes, goes with all that is in here, and is from now on; false: it does not. */
  takes(from: number, to: number): boolean {
    if (this.#isWay(from, to)) return true;
    if (from === to || this.#isWay(to, from)) return false;
    for (let before = 0; before < LOCK_CLASSES; before++) {
      if (before !== from && !this.#isWay(before, from)) continue;
      for (let after = 0; after < LOCK_CLASSES; after++)
        if (after === to || this.#isWay(to, after)) this.#reaches[before * LOCK_CLASSES + after] = 1;
    }
    return true;
  }

  #isWay(from: number, to: number): boolean {
    return this.#reaches[from * LOCK_CLASSES + to] === 1;
  }
}
