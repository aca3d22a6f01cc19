// Counting mappings, and finding them from the folio (mm/rmap.c).
//
// Faults add, zap removes; reclaim asks who used a folio (folio_referenced) and unmaps it (try_to_unmap). A folio names
// its anon_vma; each VMA of that which covers the folio's index may have a PTE for it, which is looked up and locked.
//
// Where a function takes a page, it may be one of a large folio (largeFolio.ts).
//
// Invariant: mapcount is the number of present PTEs, except between the two steps of a task that holds the page table
// lock. Locks: anon_vma->rwsem for read, then the page table lock; folio_referenced() gives up rather than wait.

import { ptePfn } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { bug, type Hpa, type Hva, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { PG_anon_exclusive, PG_ksm, PG_swapbacked } from '../page/frames.ts';
import {
  findPte,
  isAccessible,
  isPresentPte,
  pteMapLock,
  ptepGetAndClear,
  ptlOf,
  readPte,
} from '../pagetable/pte.ts';
import { flushTlbPage } from '../pagetable/tlbFlush.ts';
import { isMlocking, mlockFolio, munlockFolio } from '../reclaim/mlockFolio.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_LOCKED } from '../vma/vmFlags.ts';
import type { AnonVma } from './anonVma.ts';
import { countMapped, isAnonFolio } from './rmapFile.ts';

/**
 * folio_add_new_anon_rmap(): the first mapping of a folio since it was allocated. Under the page table lock, before the
 * PTE is set; nobody else can map the folio now. One step. Preceded by at.page(pfn).
 */
export function addNewAnonRmap(vma: Vma, pfn: Pfn, address: Hva, exclusive: boolean): void {
  const { host } = vma.mm;
  const { frames } = host;
  const anonVma = vma.anonVma ?? bug('anonymous folio mapped without an anon_vma', { pfn });
  // What is not this VMA's alone must be found from every VMA of the family.
  frames.mapping[pfn] = (exclusive ? anonVma : anonVma.root).id;
  frames.index[pfn] = vma.indexOf(address);
  frames.set(pfn, PG_swapbacked | (exclusive ? PG_anon_exclusive : 0));
  frames.mapcount[pfn]!++;
  host.vmstat.nr_anon_pages++;
}

/** folio_add_anon_rmap_pte(): a folio from the swap cache, locked; one that was just read has no anon_vma yet. */
export function* addAnonRmap(vma: Vma, page: Pfn, address: Hva, exclusive: boolean): Steps {
  const { host } = vma.mm;
  const { frames } = host;
  const pfn = frames.folioOf(page);
  if (points.on) yield at.page(pfn);
  if (frames.mapping[pfn] === 0) {
    addNewAnonRmap(vma, pfn, address, exclusive);
    return;
  }
  if (exclusive) frames.setAnonExclusive(pfn, page, true);
  if (frames.order[pfn] !== 0) host.vmstat.nr_anon_pages += frames.large.addPte(pfn, page);
  else if (frames.mapcount[pfn]!++ === 0) host.vmstat.nr_anon_pages++;
  // Large folios are left to reclaim.
  if (frames.order[pfn] === 0 && isMlocking(vma)) yield* mlockFolio(host, pfn);
}

/** folio_try_dup_anon_rmap_pte() and folio_dup_file_rmap_pte(): `vma` is a copy whose entry is about to map the folio. */
export function* dupRmap({ mm }: Vma, pfn: Pfn): Steps {
  const { frames } = mm.host;
  const folio = frames.folioOf(pfn);
  if (points.on) yield at.page(folio);
  if (frames.order[folio] !== 0) frames.large.addPte(folio, pfn);
  else frames.mapcount[folio]!++;
  frames.setAnonExclusive(folio, pfn, false);
  countMapped(mm, folio, 1);
}

/**
 * folio_remove_rmap_pte() and dec_mm_counter(), of an anonymous or a file page: the PTE was cleared, under its lock; the
 * caller drops or keeps its reference.
 */
export function* removeRmap(vma: Vma, pfn: Pfn): Steps {
  const { mm } = vma;
  const folio = mm.host.frames.folioOf(pfn);
  if (points.on) yield at.page(folio);
  countMapped(mm, folio, -1);
  yield* folioRemoveRmap(vma, pfn);
}

/** folio_remove_rmap_pte() alone: the mm goes on counting the page. */
export function* folioRemoveRmap(vma: Vma, pfn: Pfn): Steps {
  const { host } = vma.mm;
  const folio = host.frames.folioOf(pfn);
  if (points.on) yield at.page(folio);
  removeMapping(host, folio, pfn);
  if ((vma.flags & VM_LOCKED) !== 0) yield* munlockFolio(host, folio);
}

/** One step. Preceded by at.page(folio). */
function removeMapping(host: Host, folio: Pfn, pfn: Pfn): void {
  const { frames } = host;
  if (frames.maps(folio) <= 0) bug('rmap removed twice', { pfn });
  const isLarge = frames.order[folio] !== 0;
  if ((isLarge ? frames.large.removePte(folio, pfn) : Number(--frames.mapcount[folio]! === 0)) === 0) return;
  const isAnon = isAnonFolio(host, folio);
  if (isAnon) host.vmstat.nr_anon_pages--;
  else host.vmstat.nr_mapped--;
  frames.setAnonExclusive(folio, pfn, false);
  if (isLarge && isAnon && frames.large.deferSplit(folio)) host.vmstat.thp_deferred_split_page++;
}

/** folio_try_share_anon_rmap_pte(): not a page that is pinned, since the swapped one would be another. */
export function* tryShareAnonRmap({ frames }: Host, page: Pfn): Steps<boolean> {
  const folio = frames.folioOf(page);
  if (points.on) yield at.page(folio);
  if (frames.isMaybePinned(folio)) return false;
  frames.setAnonExclusive(folio, page, false);
  return true;
}

/** ptep_clear_flush(): under the page table lock. Returns what the entry was, with the CPU's last A and D. */
export function* ptepClearFlush(mm: Mm, address: Hva, ptep: Hpa): Steps<number> {
  if (points.on) yield at.pte(ptep);
  const pte = ptepGetAndClear(mm.host, ptep);
  if (isAccessible(mm, pte)) yield* flushTlbPage(mm, address);
  return pte;
}

/**
 * folio_anon_vma(): null when nobody is left who could map the folio, or KSM knows who does. Preceded by at.page(pfn).
 * The caller has a reference, so the folio stays what it is; if it is unmapped before the anon_vma is locked, its walk
 * finds nothing.
 */
export function folioAnonVma(host: Host, pfn: Pfn): AnonVma | null {
  if (host.frames.test(pfn, PG_ksm)) return null;
  return host.anonVmas.byId.get(host.frames.mapping[pfn]!) ?? null;
}

/** page_vma_mapped_walk(): the PTE that maps the folio, with its table locked; or 0, with nothing locked. */
export const lockMappedPte = (vma: Vma, pfn: Pfn, address: Hva): Steps<Hpa> =>
  lockPteIf(vma, address, (pte) => isPresentPte(pte) && ptePfn(pte) === pfn);

/** The PTE of `address`, with its table locked, if it is `wanted`; or 0, with nothing locked. */
export function* lockPteIf(vma: Vma, address: Hva, wanted: (pte: number) => boolean): Steps<Hpa> {
  const { host } = vma.mm;
  if (points.on) yield at.list(vma.mm.pageTableLock.id);
  const ptep = findPte(vma.mm, address);
  if (ptep === 0 || !(yield* pteMapLock(vma.mm, address, ptep))) return 0 as Hpa;
  if (points.on) yield at.pte(ptep);
  if (wanted(readPte(host, ptep))) return ptep;
  yield* ptlOf(host, ptep).unlock();
  return 0 as Hpa;
}
