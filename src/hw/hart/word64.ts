// Word64: a 64-bit value as two signed words, for the slow paths that pass one about.
//
// Holders reuse one object each; nothing on the per-instruction path uses it.

import { hiWord, loWord } from '../../units.ts';

export class Word64 {
  lo = 0;
  hi = 0;

  set(lo: number, hi: number): void {
    this.lo = lo | 0;
    this.hi = hi | 0;
  }

  /** Adds an integer below 2^53 in magnitude, modulo 2^64. */
  add(value: number): void {
    const lo = (this.lo + loWord(value)) | 0;
    const carry = lo >>> 0 < this.lo >>> 0 ? 1 : 0;
    this.set(lo, this.hi + hiWord(value) + carry);
  }
}
