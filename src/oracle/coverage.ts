// Coverage: which pages of a guest's buffer have been in the swap area at least once, so that a run that swapped nothing
// is not taken for a proof that swapping loses nothing.
//
// machine.ts feeds it from the try_to_unmap tracepoint.

import { type Gpa, PAGE_SIZE, pageAlignDown, pageAlignUp } from '../units.ts';

export class SwapCoverage {
  readonly #start: number;
  readonly #swapped: Uint8Array;
  #neverSwapped: number;

  /** The buffer is [start, end) of guest physical memory; pages that it only touches count. */
  constructor(start: Gpa, end: Gpa) {
    this.#start = pageAlignDown(start);
    this.#neverSwapped = (pageAlignUp(end) - this.#start) / PAGE_SIZE;
    this.#swapped = new Uint8Array(this.#neverSwapped);
  }

  /** The page at `address` lost its frame to the swap area. */
  unmapped(address: Gpa): void {
    const page = (address - this.#start) / PAGE_SIZE;
    if (this.#swapped[page] !== 0) return;
    this.#swapped[page] = 1;
    this.#neverSwapped--;
  }

  get counts(): { readonly pages: number; readonly neverSwapped: number } {
    return { pages: this.#swapped.length, neverSwapped: this.#neverSwapped };
  }
}
