// Counting mappings of whole huge pages (mm/rmap.c: folio_add_new_anon_rmap, folio_remove_rmap_pmd and their like).
//
// Huge faults and fork add, zap removes, splitting a PMD makes one mapping into 512; rmap.ts does single pages of large
// folios as well.
//
// Invariant: as in rmap.ts; a folio counts as many pages mapped as some PTE or PMD maps. Lock: mm.pageTableLock of the
// mm that maps it.

import { at, points, type Steps } from '../../sched/index.ts';
import { bug, type Hva, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { PG_swapbacked } from '../page/frames.ts';
import { HPAGE_PMD_NR } from '../page/largeFolio.ts';
import { munlockFolio } from '../reclaim/mlockFolio.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_LOCKED } from '../vma/vmFlags.ts';
import { countMapped, isAnonFolio } from './rmapFile.ts';

/** folio_add_new_anon_rmap() of a large folio: it is mapped whole, and nobody else can map it now. */
export function* addNewHugeRmap(vma: Vma, folio: Pfn, address: Hva): Steps {
  const { mm } = vma;
  const { frames, vmstat } = mm.host;
  const anonVma = vma.anonVma ?? bug('anonymous folio mapped without an anon_vma', { folio });
  if (points.on) yield at.page(folio);
  frames.mapping[folio] = anonVma.id;
  frames.index[folio] = vma.indexOf(address);
  frames.set(folio, PG_swapbacked);
  frames.setAnonExclusive(folio, folio, true);
  mm.anonPages += HPAGE_PMD_NR;
  vmstat.nr_anon_pages += frames.large.addPmd(folio);
  vmstat.nr_anon_transparent_hugepages++;
}

/** folio_add_file_rmap_pmd() and the mm's counter: under mm.pageTableLock, before the entry is set. */
export function* addFileHugeRmap({ mm }: Vma, folio: Pfn): Steps {
  const { frames, vmstat } = mm.host;
  if (points.on) yield at.page(folio);
  countMapped(mm, folio, HPAGE_PMD_NR);
  vmstat.nr_mapped += frames.large.addPmd(folio);
  if (frames.large.entireMapcount(folio) === 1) vmstat.nr_shmem_pmdmapped++;
}

/** folio_try_dup_anon_rmap_pmd() without its check, of a folio that `mm` is about to map. */
export function* dupHugeRmap(mm: Mm, folio: Pfn): Steps {
  const { frames } = mm.host;
  if (points.on) yield at.page(folio);
  frames.large.addPmd(folio);
  frames.setAnonExclusive(folio, folio, false);
  mm.anonPages += HPAGE_PMD_NR;
}

/** folio_remove_rmap_pmd(), and the mm's counter: the entry was cleared; the caller drops or keeps its reference. */
export function* removeHugeRmap(vma: Vma, folio: Pfn): Steps {
  const { mm } = vma;
  if (points.on) yield at.page(folio);
  countMapped(mm, folio, -HPAGE_PMD_NR);
  yield* folioRemoveHugeRmap(vma, folio);
}

/** folio_remove_rmap_pmd() alone: the mm goes on counting the pages. */
export function* folioRemoveHugeRmap(vma: Vma, folio: Pfn): Steps {
  const { host } = vma.mm;
  if (points.on) yield at.page(folio);
  removeEntire(host, folio);
  if ((vma.flags & VM_LOCKED) !== 0) yield* munlockFolio(host, folio);
}

/** One step. Preceded by at.page(folio). */
function removeEntire(host: Host, folio: Pfn): void {
  const { large } = host.frames;
  const unmapped = large.removePmd(folio);
  const isAnon = isAnonFolio(host, folio);
  if (isAnon) host.vmstat.nr_anon_pages -= unmapped;
  else host.vmstat.nr_mapped -= unmapped;
  if (large.entireMapcount(folio) > 0) return;
  if (isAnon) host.vmstat.nr_anon_transparent_hugepages--;
  else host.vmstat.nr_shmem_pmdmapped--;
  if (isAnon && unmapped > 0 && large.deferSplit(folio)) host.vmstat.thp_deferred_split_page++;
}

/**
 * folio_ref_add() and folio_add_anon_rmap_ptes() of all its pages, then folio_remove_rmap_pmd(): a PMD is being split.
 * Each page is as exclusive as all were.
 */
export function* spreadHugeRmap(vma: Vma, folio: Pfn): Steps {
  const { host } = vma.mm;
  const { frames } = host;
  if (points.on) yield at.page(folio);
  const exclusive = frames.isAnonExclusive(folio, folio);
  frames.refcount[folio]! += HPAGE_PMD_NR - 1;
  for (let page = folio as number; page < folio + HPAGE_PMD_NR; page++) {
    frames.large.addPte(folio, page as Pfn);
    frames.setAnonExclusive(folio, page as Pfn, exclusive);
  }
  yield* folioRemoveHugeRmap(vma, folio);
}
