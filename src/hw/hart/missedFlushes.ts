// Missed flushes: what translated code has flushed of the first-level TLB, and what the second level, which is not in
// memory, is still to hear of.
//
// translate/fence.ts writes them into the vCPU block, one {page i64, scope i32, unused} each; hart.ts has them done
// as soon as translated code returns, before anything asks the second level.

import { fromWords } from '../../units.ts';
import type { Regime, Tlb } from '../tlb/index.ts';
import { BLOCK_FLUSHES, BLOCK_MISSED_FLUSHES } from './block.ts';

export const FLUSH_BYTES = 16;
export const FLUSH_PAGE = 0;
export const FLUSH_SCOPE = 8;
/** How many there is room for. */
export const MAX_FLUSHES = 16;

/** Stands for the page of a flush of all pages. */
export const ALL_PAGES = 1;
/** Which regimes are flushed: those with a stage one, in an address space by its ASID or in all; or every one. */
export const Scope = { paged: -1, every: -2 } as const;

/** Does them. */
export function catchUp(block: Int32Array, tlb: Tlb): void {
  const count = block[BLOCK_MISSED_FLUSHES >> 2]!;
  if (count === 0) return;
  for (let i = 0; i < count; i++) {
    const at = (BLOCK_FLUSHES + i * FLUSH_BYTES) >> 2;
    const page = fromWords(block[at]!, block[at + 1]!);
    const scope = block[at + (FLUSH_SCOPE >> 2)]!;
    tlb.flushSecond((regime) => concerns(scope, regime), page === ALL_PAGES ? null : page);
    block.fill(0, at, at + (FLUSH_BYTES >> 2));
  }
  block[BLOCK_MISSED_FLUSHES >> 2] = 0;
}

const concerns = (scope: number, { paged, asid }: Regime): boolean =>
  scope === Scope.every || (paged && (scope === Scope.paged || scope === asid));
