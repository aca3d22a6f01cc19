// Odd fetches: instructions that have no place in the decoded page of their frame, because they cross the end of a page,
// or because no TLB may hold an entry for the page that they are in (hart.alone).
//
// The interpreter executes each from a page made for it, in which the instruction stands alone, at its own offset, and
// everything else leads back to the fetch.
//
// Invariant: such an instruction is fetched again each time that it is executed.

import type { Pfn } from '../../units.ts';
import { NOWHERE, translateFetch } from './access.ts';
import { BLOCK_PC } from './block.ts';
import { CodePage, decodePlain } from './codeCache.ts';
import type { Hart } from './hart.ts';
import { OP_CROSSING, OP_REFETCH } from './pseudoOps.ts';

const PC = BLOCK_PC >> 2;
const PAGE_MASK = ~4095;
/** Where an instruction that crosses the end of its page begins. */
const LAST_HALFWORD = 4094;

/** The words of the page of a crossing instruction. */
export const crossingWords = new Int32Array(LAST_HALFWORD + 6).fill(OP_REFETCH);

/** The page of an instruction that is alone; it is no page of frame 0. */
export const lonePage = new CodePage(0 as Pfn);
lonePage.words.fill(OP_REFETCH);
let loneOffset = 0;

/** Fetches both halves of the instruction at the block's pc, the last halfword of `frame`'s page, into crossingWords. */
export function fetchCrossing(hart: Hart, frame: number): boolean {
  const at = fetchSecondHalf(hart);
  if (at === NOWHERE) return false;
  const { u16 } = hart.memory;
  const low = u16[((frame & PAGE_MASK) + LAST_HALFWORD) >>> 1]!;
  decodePlain(low | (u16[at >>> 1]! << 16), crossingWords, LAST_HALFWORD);
  return true;
}

/** Host address of the halfword after the block's pc, or NOWHERE. */
function fetchSecondHalf(hart: Hart): number {
  const { block } = hart;
  const next = (block[PC]! + 2) | 0;
  return translateFetch(hart, next, block[PC + 1]! + (next === 0 ? 1 : 0));
}

/** Fetches the instruction at the block's pc, whose first half is at host address `at`, into lonePage. */
export function fetchAlone(hart: Hart, at: number): boolean {
  const { u16 } = hart.memory;
  const { words, heat } = lonePage;
  words.fill(OP_REFETCH, loneOffset, loneOffset + 2);
  loneOffset = at & 4095;
  heat[loneOffset >>> 1] = 0;
  const half = u16[at >>> 1]!;
  if ((half & 3) !== 3) {
    decodePlain(half, words, loneOffset);
  } else if (loneOffset === LAST_HALFWORD) {
    words[loneOffset] = OP_CROSSING;
  } else {
    const second = fetchSecondHalf(hart);
    if (second === NOWHERE) return false;
    decodePlain(half | (u16[second >>> 1]! << 16), words, loneOffset);
  }
  return true;
}
