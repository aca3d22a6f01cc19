// Counts: the i64 words of the vCPU block that the hart and translated code count in, and what they add up to.
//
// Invariant: a count stays below 2^53, so that it is exact as a number.

import { fromWords, hiWord, loWord } from '../../units.ts';
import { Access, type AccessKind } from '../sv39/index.ts';
import { BLOCK_FILLS, BLOCK_REFILLS, BLOCK_WALKS } from './block.ts';
import type { HartStats } from './exits.ts';

type Block = Int32Array;

/** One more of what the i64 at `offset` bytes counts. */
export function count(block: Block, offset: number): void {
  const at = offset >> 2;
  block[at]!++;
  if (block[at] === 0) block[at + 1]!++;
}

export function putCount(block: Block, offset: number, value: number): void {
  block[offset >> 2] = loWord(value);
  block[(offset >> 2) + 1] = hiWord(value);
}

export const countAt = (block: Block, offset: number): number =>
  fromWords(block[offset >> 2]!, block[(offset >> 2) + 1]!);

/** What happened since reset. */
export function readStats(block: Block): HartStats {
  const refills = (access: AccessKind) => countAt(block, BLOCK_REFILLS + 8 * access);
  const fills = (access: AccessKind) => refills(access) + countAt(block, BLOCK_FILLS + 8 * access);
  return {
    fetchFills: fills(Access.fetch),
    loadFills: fills(Access.load),
    storeFills: fills(Access.store),
    walks: refills(Access.load) + refills(Access.store) + refills(Access.fetch) + countAt(block, BLOCK_WALKS),
  };
}
