// The huge page of zeros: 2 MiB that all who read memory which was never written share, each by one entry
// (mm/huge_memory.c: get_huge_zero_folio, shrink_huge_zero_folio_scan).
//
// A read fault maps it (hugeZeroFault.ts), the first store puts a huge page of the process's own in its place
// (hugeMemory.ts). It is made when it is first wanted, and given back when memory is short and nobody has it mapped.
//
// Invariants: its entries are special, so that rmap does not count them, and read-only, with a table deposited for
// each. It has a reference for each mm with `hasHugeZero`, until that exits, and one until it is shrunk.
// Locks: none; a reference is taken in one step, and host.hugeZeroFolio changes in one, from 0 and to 0.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioPut, freeFolio } from '../page/folio.ts';
import { HPAGE_PMD_NR } from '../page/largeFolio.ts';
import { DEFAULT_SEEKS, type Shrinker } from '../reclaim/shrinker.ts';
import type { Mm } from '../vma/mmStruct.ts';

/** get_huge_zero_folio() where there is one: with a reference for the caller; or 0. */
export function* tryGetHugeZeroFolio(host: Host): Steps<Pfn | 0> {
  const folio = host.hugeZeroFolio;
  if (folio === 0) return 0 as const;
  if (points.on) yield at.page(folio);
  return host.hugeZeroFolio === folio && host.frames.tryGet(folio) ? folio : (0 as const);
}

/**
 * The rest of it: a new folio of zeros, to which the caller has a reference, is everybody's from now on, and one more
 * is taken. False: somebody was faster (the cmpxchg).
 */
export function* setHugeZero(host: Host, folio: Pfn): Steps<boolean> {
  if (points.on) yield at.page(folio);
  if (host.hugeZeroFolio !== 0) return false;
  host.frames.makeHugeZero(folio);
  host.frames.get(folio);
  host.hugeZeroFolio = folio;
  host.vmstat.thp_zero_page_alloc++;
  return true;
}

/** mm_put_huge_zero_folio(): the process maps nothing any more. */
export function* mmPutHugeZeroFolio(mm: Mm): Steps {
  if (!mm.hasHugeZero) return;
  mm.hasHugeZero = false;
  yield* folioPut(mm.host, mm.host.hugeZeroFolio as Pfn);
}

/** huge_zero_folio_shrinker. */
export const hugeZeroShrinker = (host: Host): Shrinker => ({
  seeks: DEFAULT_SEEKS,
  countObjects: () => (host.hugeZeroFolio === 0 ? 0 : HPAGE_PMD_NR),
  scanObjects: () => shrinkHugeZeroFolio(host),
});

/** shrink_huge_zero_folio_scan(): gives the folio back if nobody has it; how many pages that were. */
export function* shrinkHugeZeroFolio(host: Host): Steps<number> {
  const folio = host.hugeZeroFolio;
  if (folio === 0) return 0;
  if (points.on) yield at.page(folio);
  if (!host.frames.freeze(folio, 1)) return 0;
  host.hugeZeroFolio = 0;
  yield* freeFolio(host, folio);
  return HPAGE_PMD_NR;
}
