// Counting mappings of file and shmem pages, and what kind of page a mapping counts as (mm/rmap.c,
// include/linux/mm.h).
//
// File faults add; zap, unmapping and COW remove (rmap.ts does for both kinds).
//
// Invariant: mapcount as in rmap.ts; mm.filePages and mm.shmemPages count the present PTEs by kind. Lock: the page
// table lock of the PTE.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { PG_swapbacked } from '../page/frames.ts';
import { isMlocking, mlockFolio } from '../reclaim/mlockFolio.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';

/** folio_test_anon(), of a folio that is or was mapped. Preceded by at.page(pfn). */
export const isAnonFolio = ({ frames }: Host, pfn: Pfn): boolean => frames.mapping[pfn]! > 0;

/** add_mm_counter(mm, mm_counter(folio)). Preceded by at.page(pfn). */
export function countMapped(mm: Mm, pfn: Pfn, by: number): void {
  const { host } = mm;
  if (isAnonFolio(host, pfn)) mm.anonPages += by;
  else if (host.frames.test(pfn, PG_swapbacked)) mm.shmemPages += by;
  else mm.filePages += by;
}

/**
 * folio_add_file_rmap_pte() and inc_mm_counter(): under the page table lock, before the PTE is set; the PTE takes over
 * a reference.
 */
export function* addFileRmap(vma: Vma, pfn: Pfn): Steps {
  const { mm } = vma;
  yield* folioAddFileRmap(vma, pfn);
  const folio = mm.host.frames.folioOf(pfn);
  if (points.on) yield at.page(folio);
  countMapped(mm, folio, 1);
}

/** folio_add_file_rmap_pte() alone: the mm has counted the page before. */
export function* folioAddFileRmap(vma: Vma, pfn: Pfn): Steps {
  const { host } = vma.mm;
  const { frames, vmstat } = host;
  const folio = frames.folioOf(pfn);
  if (points.on) yield at.page(folio);
  if (frames.order[folio] !== 0) vmstat.nr_mapped += frames.large.addPte(folio, pfn);
  else if (frames.mapcount[folio]!++ === 0) vmstat.nr_mapped++;
  // Large folios are left to reclaim.
  if (frames.order[folio] === 0 && isMlocking(vma)) yield* mlockFolio(host, folio);
}
