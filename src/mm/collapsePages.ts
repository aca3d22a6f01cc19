// The pages of a collapse: whether they are fit for it, taking them away from everybody else, copying them
// (mm/khugepaged.c: __collapse_huge_page_isolate, _copy, _swapin).
//
// collapse.ts calls these in that order. Whether anybody has used the pages (`referenced` of the tracepoints) counts for
// Linux's khugepaged alone, which collapses unasked; here somebody has always asked.
//
// Invariant: a page that is isolated is locked and off the LRU, and nobody but its mappings has a reference to it, so that
// its content stays as it is while it is copied. Locks: the page table lock of the entries for scanning and isolating;
// folio locks by trylock, all of them held until the pages are released.

import { PTE_BYTES, ptePfn } from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { Scan } from '../trace/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../units.ts';
import { FAULT_FLAG_ALLOW_RETRY, VM_FAULT_ERROR, VM_FAULT_RETRY, type VmFault } from './faultTypes.ts';
import { folioPut } from './folio.ts';
import { PG_locked, PG_lru, PG_swapcache } from './frames.ts';
import type { Host } from './host.ts';
import { ksmMightUnmapZeroPage } from './ksmZero.ts';
import { HPAGE_PMD_NR } from './largeFolio.ts';
import { folioLruvec } from './memcontrol.ts';
import { isMigrationPte } from './migrationEntry.ts';
import { isPresentPte, normalPfn, ptepGetAndClear, ptlOf, readPte } from './pte.ts';
import { removeRmap } from './rmap.ts';
import { isAnonFolio } from './rmapFile.ts';
import { freeSwapCache } from './swapCache.ts';
import { doSwapPage } from './swapIn.ts';
import type { Vma } from './vma.ts';
import { moveFoliosToLru, pagesOf } from './vmscan.ts';

/** One struct collapse_control, used for one or more collapses in turn. */
export interface Collapse {
  /** mmap_lock was dropped on the way. */
  lockDropped: boolean;
  /** Folios that are isolated and locked at the moment; a large one once. */
  readonly isolated: Set<Pfn>;
}

export const newCollapse = (): Collapse => ({ lockDropped: false, isolated: new Set() });

/** What was seen of 512 entries. */
interface Seen {
  status: number;
  noneOrZero: number;
  unmapped: number;
  /** The page that was looked at last, -1 for none. */
  pfn: number;
}

const entryAt = (table: Hpa, page: number): Hpa => (table + page * PTE_BYTES) as Hpa;
const pageAt = (start: Hva, page: number): Hva => (start + page * PAGE_SIZE) as Hva;

/** The loop of hpage_collapse_scan_pmd(), over the table at `table`. */
export function* scanPtes(host: Host, table: Hpa): Steps<Seen> {
  const seen: Seen = { status: Scan.SUCCEED, noneOrZero: 0, unmapped: 0, pfn: -1 };
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
    } else {
      const folio = host.frames.folioOf(ptePfn(pte));
      seen.pfn = folio;
      if (points.on) yield at.page(folio);
      seen.status = unfit(host, folio);
    }
  }
  yield* ptl.unlock();
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
  host.trace.mm_collapse_huge_page_swapin?.(mm.id, swappedIn, 0, Number(status === Scan.SUCCEED));
  return { status, lockDropped };
}

/** __collapse_huge_page_isolate(): under the page table lock. SCAN_*; if it fails the caller releases what it has got. */
export function* collapseIsolate(collapse: Collapse, host: Host, table: Hpa): Steps<number> {
  let status: number = Scan.SUCCEED;
  let noneOrZero = 0;
  let pfn = -1;
  for (let i = 0; i < HPAGE_PMD_NR && status === Scan.SUCCEED; i++) {
    const ptep = entryAt(table, i);
    if (points.on) yield at.pte(ptep);
    const pte = readPte(host, ptep);
    if (isNoneOrZero(pte)) {
      noneOrZero++;
      continue;
    }
    if (!isPresentPte(pte)) {
      status = Scan.PTE_NON_PRESENT;
      continue;
    }
    const folio = host.frames.folioOf(ptePfn(pte));
    pfn = folio;
    status = yield* isolate(collapse, host, folio);
  }
  host.trace.mm_collapse_huge_page_isolate?.(pfn, noneOrZero, 0, status);
  return status;
}

/** Locks one folio and takes it off the LRU, unless that was done before. */
function* isolate({ isolated }: Collapse, host: Host, folio: Pfn): Steps<number> {
  const { folioLocks, lruvec } = host;
  if (isolated.has(folio)) return Scan.SUCCEED;
  if (points.on) yield at.page(folio);
  if (!isAnonFolio(host, folio)) return Scan.PAGE_ANON;
  if (!folioLocks.tryLock(folio)) return Scan.PAGE_LOCK;
  const status = hasOtherReferences(host, folio) ? Scan.PAGE_COUNT : Scan.SUCCEED;
  if (status === Scan.SUCCEED && (yield* folioLruvec(host, folio).isolate(folio))) {
    isolated.add(folio);
    lruvec.isolated.anon += host.frames.nrPages(folio);
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
  host.lruvec.isolated.anon -= pagesOf(host, folios);
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
