// The pages of a collapse: the huge one; whether the small ones are fit for it, taking them away from everybody else,
// copying them (mm/khugepaged.c: alloc_charge_folio, __collapse_huge_page_isolate, _copy, _swapin).
//
// collapse.ts calls these in that order. The limits on what the pages may be, and whether anybody has used them, count for
// khugepaged alone, which collapses unasked.
//
// Invariant: a page that is isolated is locked and off the LRU, and nobody but its mappings has a reference to it, so that
// its content stays as it is while it is copied. Locks: the page table lock of the entries for scanning and isolating;
// folio locks by trylock, all of them held until the pages are released.

import { PTE_A, PTE_BYTES, ptePfn } from '../../hw/sv39/index.ts';
import { mmuNotifierTestYoung } from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { Scan } from '../../trace/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import { FAULT_FLAG_ALLOW_RETRY, VM_FAULT_ERROR, VM_FAULT_RETRY, type VmFault } from '../fault/faultTypes.ts';
import type { Host } from '../host.ts';
import { ksmMightUnmapZeroPage } from '../ksm/ksmZero.ts';
import { folioLruvec } from '../memcg/memcontrol.ts';
import { folioPut } from '../page/folio.ts';
import { PG_locked, PG_lru, PG_referenced, PG_swapcache, PG_young } from '../page/frames.ts';
import { HPAGE_PMD_NR } from '../page/largeFolio.ts';
import { allocUnchargedHugePage, chargeOrPut } from '../page/pageAlloc.ts';
import { isMigrationPte } from '../pagetable/migrationEntry.ts';
import { isPresentPte, isUffdWp, normalPfn, ptepGetAndClear, ptlOf, readPte } from '../pagetable/pte.ts';
import { moveFoliosToLru, pagesOf } from '../reclaim/vmscan.ts';
import { removeRmap } from '../rmap/rmap.ts';
import { isAnonFolio } from '../rmap/rmapFile.ts';
import { freeSwapCache } from '../swap/swapCache.ts';
import { doSwapPage } from '../swap/swapIn.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';

/** alloc_charge_folio(): a folio for `mm` to collapse into, contents undefined; or null, and SCAN_* says why. */
export function* allocChargeFolio(
  { isKhugepaged }: Collapse,
  mm: Mm,
): Steps<{ readonly folio: Pfn | null; readonly scan: number }> {
  const { host, memcg } = mm;
  const folio = yield* allocUnchargedHugePage(host, !isKhugepaged || host.khugepaged.defrag);
  if (folio === null) {
    host.vmstat.thp_collapse_alloc_failed++;
    return { folio, scan: Scan.ALLOC_HUGE_PAGE_FAIL };
  }
  host.vmstat.thp_collapse_alloc++;
  const isCharged = yield* chargeOrPut(host, folio, memcg, mm, true);
  return isCharged ? { folio, scan: Scan.SUCCEED } : { folio: null, scan: Scan.CGROUP_CHARGE_FAIL };
}

/** One struct collapse_control, used for one or more collapses in turn. */
export interface Collapse {
  /** Nobody has asked for it. */
  readonly isKhugepaged: boolean;
  /** mmap_lock was dropped on the way. */
  lockDropped: boolean;
  /** Folios that are isolated and locked at the moment; a large one once. */
  readonly isolated: Set<Pfn>;
}

export const newCollapse = (isKhugepaged: boolean): Collapse => ({
  isKhugepaged,
  lockDropped: false,
  isolated: new Set(),
});

/** What was seen of 512 entries. */
interface Seen {
  status: number;
  noneOrZero: number;
  unmapped: number;
  /** Pages that others may have too. */
  shared: number;
  /** Pages that were used lately. */
  referenced: number;
  /** The page that was looked at last, -1 for none. */
  pfn: number;
}

const entryAt = (table: Hpa, page: number): Hpa => (table + page * PTE_BYTES) as Hpa;
const pageAt = (start: Hva, page: number): Hva => (start + page * PAGE_SIZE) as Hva;

const newSeen = (): Seen => ({
  status: Scan.SUCCEED,
  noneOrZero: 0,
  unmapped: 0,
  shared: 0,
  referenced: 0,
  pfn: -1,
});

/**
 * Khugepaged leaves memory alone that has more of something than its limit; and nobody fills holes that a userfaultfd
 * may be to hear of. Sets the status.
 */
function checkLimits({ isKhugepaged }: Collapse, vma: Vma, seen: Seen): void {
  const { khugepaged, vmstat } = vma.mm.host;
  if (seen.status !== Scan.SUCCEED) return;
  const isArmed = vma.userfaultfd !== null && seen.noneOrZero > 0;
  if (isArmed || (isKhugepaged && seen.noneOrZero > khugepaged.maxPtesNone)) {
    seen.status = Scan.EXCEED_NONE_PTE;
    vmstat.thp_scan_exceed_none_pte++;
  } else if (!isKhugepaged) {
    return;
  } else if (seen.unmapped > khugepaged.maxPtesSwap) {
    seen.status = Scan.EXCEED_SWAP_PTE;
    vmstat.thp_scan_exceed_swap_pte++;
  } else if (seen.shared > khugepaged.maxPtesShared) {
    seen.status = Scan.EXCEED_SHARED_PTE;
    vmstat.thp_scan_exceed_share_pte++;
  }
}

/** What khugepaged asks of a page that is fit: whether it is shared, and was used. Preceded by the page table lock. */
function* look(vma: Vma, folio: Pfn, pte: number, address: Hva, seen: Seen): Steps {
  const { mm } = vma;
  const { frames } = mm.host;
  if (points.on) yield at.page(folio);
  // folio_maybe_mapped_shared().
  if (frames.order[folio] === 0 ? frames.maps(folio) > 1 : frames.large.entireMapcount(folio) > 1)
    seen.shared++;
  const young = (pte & PTE_A) !== 0 || frames.test(folio, PG_young | PG_referenced);
  if (young || (mm.notifierSubscriptions !== null && (yield* mmuNotifierTestYoung(mm, address))))
    seen.referenced++;
}

/** The loop of hpage_collapse_scan_pmd(), over the table at `table`, which is that of `start`. */
export function* scanPtes(collapse: Collapse, vma: Vma, start: Hva, table: Hpa): Steps<Seen> {
  const { host } = vma.mm;
  const seen = newSeen();
  const ptl = ptlOf(host, table);
  yield* ptl.lock();
  for (let i = 0; i < HPAGE_PMD_NR && seen.status === Scan.SUCCEED; i++) {
    const ptep = entryAt(table, i);
    if (points.on) yield at.pte(ptep);
    const pte = readPte(host, ptep);
    if (isNoneOrZero(pte)) {
      seen.noneOrZero++;
    } else if (!isPresentPte(pte)) {
      seen.unmapped++;
      if (isUffdWp(host, ptep)) seen.status = Scan.PTE_UFFD_WP;
    } else if (isUffdWp(host, ptep)) {
      seen.status = Scan.PTE_UFFD_WP;
    } else {
      const folio = host.frames.folioOf(ptePfn(pte));
      seen.pfn = folio;
      if (points.on) yield at.page(folio);
      seen.status = unfit(host, folio);
      if (collapse.isKhugepaged) yield* look(vma, folio, pte, pageAt(start, i), seen);
    }
    checkLimits(collapse, vma, seen);
  }
  yield* ptl.unlock();
  const isUnused = seen.referenced === 0 || (seen.unmapped > 0 && seen.referenced < HPAGE_PMD_NR / 2);
  if (collapse.isKhugepaged && seen.status === Scan.SUCCEED && isUnused)
    seen.status = Scan.LACK_REFERENCED_PAGE;
  return seen;
}

const isNoneOrZero = (pte: number): boolean => pte === 0 || (isPresentPte(pte) && normalPfn(pte) === 0);

/** What speaks against the folio, or SCAN_SUCCEED. Preceded by at.page(folio). */
function unfit(host: Host, folio: Pfn): number {
  const { frames } = host;
  if (!isAnonFolio(host, folio)) return Scan.PAGE_ANON;
  if (!frames.test(folio, PG_lru)) return Scan.PAGE_LRU;
  if (frames.test(folio, PG_locked)) return Scan.PAGE_LOCK;
  return hasOtherReferences(host, folio) ? Scan.PAGE_COUNT : Scan.SUCCEED;
}

/** folio_expected_ref_count() of an anonymous folio is not all. Preceded by at.page(folio). */
const hasOtherReferences = ({ frames }: Host, folio: Pfn): boolean =>
  frames.count(folio) !== frames.maps(folio) + Number(frames.test(folio, PG_swapcache));

/** __collapse_huge_page_swapin(): SCAN_*; mmap_lock is held for read, unless `lockDropped`. */
export function* collapseSwapin(
  vma: Vma,
  table: Hpa,
  start: Hva,
  referenced: number,
): Steps<{ readonly status: number; readonly lockDropped: boolean }> {
  const { mm } = vma;
  const { host } = mm;
  let swappedIn = 0;
  let status: number = Scan.SUCCEED;
  let lockDropped = false;
  const flags = FAULT_FLAG_ALLOW_RETRY;
  for (let i = 0; i < HPAGE_PMD_NR && status === Scan.SUCCEED; i++) {
    const address = pageAt(start, i);
    const ptep = entryAt(table, i);
    if (points.on) yield at.pte(ptep);
    const origPte = readPte(host, ptep);
    if (origPte === 0 || isPresentPte(origPte) || isMigrationPte(origPte)) continue;
    const vmf: VmFault = { vma, address, pgoff: vma.indexOf(address), flags, ptep, origPte, page: 0 };
    const result = yield* doSwapPage(vmf);
    lockDropped = (result & VM_FAULT_RETRY) !== 0;
    if (lockDropped) status = Scan.PAGE_LOCK;
    else if ((result & VM_FAULT_ERROR) !== 0) status = Scan.FAIL;
    else swappedIn++;
  }
  host.trace.mm_collapse_huge_page_swapin?.(mm.id, swappedIn, referenced, Number(status === Scan.SUCCEED));
  return { status, lockDropped };
}

/** __collapse_huge_page_isolate(): under the page table lock. SCAN_*; if it fails the caller releases what it has got. */
export function* collapseIsolate(collapse: Collapse, vma: Vma, start: Hva, table: Hpa): Steps<number> {
  const { host } = vma.mm;
  const seen = newSeen();
  for (let i = 0; i < HPAGE_PMD_NR && seen.status === Scan.SUCCEED; i++) {
    const ptep = entryAt(table, i);
    if (points.on) yield at.pte(ptep);
    const pte = readPte(host, ptep);
    if (isNoneOrZero(pte)) seen.noneOrZero++;
    else if (!isPresentPte(pte)) seen.status = Scan.PTE_NON_PRESENT;
    else if (isUffdWp(host, ptep)) seen.status = Scan.PTE_UFFD_WP;
    else {
      const folio = host.frames.folioOf(ptePfn(pte));
      seen.pfn = folio;
      seen.status = yield* isolate(collapse, host, folio);
      if (collapse.isKhugepaged) yield* look(vma, folio, pte, pageAt(start, i), seen);
    }
    checkLimits(collapse, vma, seen);
  }
  if (collapse.isKhugepaged && seen.status === Scan.SUCCEED && seen.referenced === 0)
    seen.status = Scan.LACK_REFERENCED_PAGE;
  const { pfn, noneOrZero, referenced, status } = seen;
  host.trace.mm_collapse_huge_page_isolate?.(pfn, noneOrZero, referenced, status);
  return status;
}

/** Locks one folio and takes it off the LRU, unless that was done before. */
function* isolate({ isolated }: Collapse, host: Host, folio: Pfn): Steps<number> {
  const { folioLocks, nrIsolated } = host;
  if (isolated.has(folio)) return Scan.SUCCEED;
  if (points.on) yield at.page(folio);
  if (!isAnonFolio(host, folio)) return Scan.PAGE_ANON;
  if (!folioLocks.tryLock(folio)) return Scan.PAGE_LOCK;
  const status = hasOtherReferences(host, folio) ? Scan.PAGE_COUNT : Scan.SUCCEED;
  if (status === Scan.SUCCEED && (yield* folioLruvec(host, folio).isolate(folio))) {
    isolated.add(folio);
    nrIsolated.anon += host.frames.nrPages(folio);
    return status;
  }
  if (points.on) yield at.page(folio);
  folioLocks.unlock(folio);
  return status === Scan.SUCCEED ? Scan.DEL_PAGE_LRU : status;
}

/** release_pte_pages(): back on the LRU, unlocked. */
export function* releasePages(host: Host, { isolated }: Collapse): Steps {
  const folios = [...isolated];
  isolated.clear();
  for (const folio of folios) {
    if (points.on) yield at.page(folio);
    host.folioLocks.unlock(folio);
  }
  host.nrIsolated.anon -= pagesOf(host, folios);
  yield* moveFoliosToLru(host, folios);
  host.throttle.wakeIsolated();
}

/** __collapse_huge_page_copy(): the pages go into `folio`, and are let go of; the table is empty then. */
export function* copyPages(collapse: Collapse, vma: Vma, table: Hpa, folio: Pfn): Steps {
  const { host } = vma.mm;
  for (let i = 0; i < HPAGE_PMD_NR; i++) {
    const ptep = entryAt(table, i);
    if (points.on) yield at.pte(ptep);
    const pte = readPte(host, ptep);
    const copy = (folio + i) as Pfn;
    const page = isNoneOrZero(pte) ? copy : ptePfn(pte);
    if (points.on) yield at.page(page);
    if (page === copy) host.memory.zero(page);
    else host.memory.copyFrame(copy, page);
  }
  const unmapped: Pfn[] = [];
  for (let i = 0; i < HPAGE_PMD_NR; i++) yield* unmapCopied(vma, entryAt(table, i), unmapped);
  yield* releasePages(host, collapse);
  for (const old of unmapped) {
    yield* freeSwapCache(host, old);
    yield* folioPut(host, old);
  }
}

/** One entry of __collapse_huge_page_copy_succeeded(): the folio that it had a reference to goes to `unmapped`. */
function* unmapCopied(vma: Vma, ptep: Hpa, unmapped: Pfn[]): Steps {
  const { host } = vma.mm;
  const ptl = ptlOf(host, ptep);
  yield* ptl.lock();
  if (points.on) yield at.pte(ptep);
  const pte = ptepGetAndClear(host, ptep);
  if (!isNoneOrZero(pte)) {
    yield* removeRmap(vma, ptePfn(pte));
    unmapped.push(host.frames.folioOf(ptePfn(pte)));
  } else ksmMightUnmapZeroPage(vma.mm, pte);
  yield* ptl.unlock();
}
