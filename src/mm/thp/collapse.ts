// Collapsing 512 pages into a huge page (mm/khugepaged.c: hpage_collapse_scan_pmd, collapse_huge_page).
//
// madvise(MADV_COLLAPSE) comes here with 2 MiB that are mapped page by page; of anonymous memory the pages are copied into
// a new large folio, which takes their place. Isolating them is collapsePages.ts's business, shmem collapseFile.ts's.
//
// Order (reference table row 16b): look (mmap_lock for read); allocate with no lock; swap in what is out; mmap_lock for
// write; anon_vma for write: start; pmd lock: the table is unhooked, CPUs flushed; unlock; end: nothing can fault the
// range in now, as mmap_lock is held; lock and isolate every page, after which no reverse mapping walk changes them;
// anon_vma unlocked; copy; free the old pages; pmd lock: the new folio mapped, the table deposited; unlock.
// If a page cannot be had the table is hooked in again, as it was.

import { makePte, PTE_V } from '../../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { Scan } from '../../trace/index.ts';
import { bug, Errno, type Hpa, type Hva, type Pfn, pfnToHpa } from '../../units.ts';
import { fput, getFile } from '../filemap/file.ts';
import { folioPut } from '../page/folio.ts';
import { PG_uptodate } from '../page/frames.ts';
import { HPAGE_PMD_SIZE, hugeAlignDown } from '../page/largeFolio.ts';
import { type FoundPmd, findPmdOrThpOrNone, pmdpCollapseFlush } from '../pagetable/pmd.ts';
import { ptlOf, setPte } from '../pagetable/pte.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { collapseScanFile } from './collapseFile.ts';
import {
  allocChargeFolio,
  type Collapse,
  collapseIsolate,
  collapseSwapin,
  copyPages,
  newCollapse,
  releasePages,
  scanPtes,
} from './collapsePages.ts';
import { collapsePteMappedThp } from './collapsePteMapped.ts';
import { mapAnonFolioPmd } from './hugeMemory.ts';
import { isThpSuitable, thpVmaAllowableOrder } from './thp.ts';

/**
 * hpage_collapse_scan_pmd(): `address` is aligned and lies in `vma`; mmap_lock is held for read, and not any more when
 * collapse.lockDropped says so. SCAN_*.
 */
export function* collapseScanPmd(collapse: Collapse, vma: Vma, address: Hva): Steps<number> {
  const { mm } = vma;
  const found = yield* findPmdOrThpOrNone(mm, address);
  if ('scan' in found) return found.scan;
  const seen = yield* scanPtes(collapse, vma, address, pfnToHpa(found.table));
  const { status, referenced, noneOrZero, unmapped, pfn } = seen;
  mm.host.trace.mm_khugepaged_scan_pmd?.(mm.id, pfn, referenced, noneOrZero, status, unmapped);
  if (status !== Scan.SUCCEED) return status;
  collapse.lockDropped = true;
  const result = yield* collapseHugePage(collapse, mm, address, referenced, unmapped);
  mm.host.trace.mm_collapse_huge_page?.(mm.id, Number(result === Scan.SUCCEED), result);
  return result;
}

/** hugepage_vma_revalidate(): the VMA, after mmap_lock was dropped; or SCAN_*. */
function* revalidate(
  { isKhugepaged }: Collapse,
  mm: Mm,
  address: Hva,
  expectAnon: boolean,
): Steps<Vma | number> {
  if (mm.mmUsers === 0 || mm.killed) return Scan.ANY_PROCESS;
  if (points.on) yield at.list(mm.vmas.id);
  const vma = mm.vmas.find(address);
  if (vma === null) return Scan.VMA_NULL;
  if (!isThpSuitable(vma, address)) return Scan.ADDRESS_RANGE;
  const type = isKhugepaged ? 'khugepaged' : 'forcedCollapse';
  if (!(yield* thpVmaAllowableOrder(vma, vma.flags, type))) return Scan.VMA_CHECK;
  return expectAnon && (vma.anonVma === null || vma.file !== null) ? Scan.PAGE_ANON : vma;
}

/** collapse_huge_page(): mmap_lock is held for read, and released here. */
function* collapseHugePage(
  collapse: Collapse,
  mm: Mm,
  address: Hva,
  referenced: number,
  unmapped: number,
): Steps<number> {
  const { host } = mm;
  yield* host.locks.mmapReadUnlock(mm);
  const { folio, scan } = yield* allocChargeFolio(collapse, mm);
  if (folio === null) return scan;
  let result = unmapped > 0 ? yield* swapIn(collapse, mm, address, referenced) : Scan.SUCCEED;
  if (result === Scan.SUCCEED) {
    yield* mm.mmapWriteLock();
    result = yield* collapseLocked(collapse, mm, address, folio);
    yield* mm.mmapWriteUnlock();
  }
  if (result !== Scan.SUCCEED) yield* folioPut(host, folio);
  return result;
}

/** The part of collapse_huge_page() between taking mmap_lock for read again and dropping it. */
function* swapIn(collapse: Collapse, mm: Mm, address: Hva, referenced: number): Steps<number> {
  const { locks } = mm.host;
  yield* locks.mmapReadLock(mm);
  const vma = yield* revalidate(collapse, mm, address, true);
  const found: FoundPmd = typeof vma === 'number' ? { scan: vma } : yield* findPmdOrThpOrNone(mm, address);
  if ('scan' in found || typeof vma === 'number') {
    yield* locks.mmapReadUnlock(mm);
    return 'scan' in found ? found.scan : Scan.FAIL;
  }
  const { status, lockDropped } = yield* collapseSwapin(vma, pfnToHpa(found.table), address, referenced);
  if (!lockDropped) yield* locks.mmapReadUnlock(mm);
  return status;
}

/** mmap_lock is held for write. */
function* collapseLocked(collapse: Collapse, mm: Mm, address: Hva, folio: Pfn): Steps<number> {
  const { host } = mm;
  const vma = yield* revalidate(collapse, mm, address, true);
  if (typeof vma === 'number') return vma;
  yield* host.locks.vmaStartWrite(mm, vma);
  const found = yield* findPmdOrThpOrNone(mm, address);
  if ('scan' in found) return found.scan;
  const { pmdp, table } = found;
  const anonVma = vma.anonVma ?? bug('memory is collapsed that has no anon_vma', { address });
  yield* host.locks.anonVmaLockWrite(anonVma);
  yield* unhookTable(mm, address, pmdp);
  const ptl = ptlOf(host, pfnToHpa(table));
  yield* ptl.lock();
  const result = yield* collapseIsolate(collapse, vma, address, pfnToHpa(table));
  yield* ptl.unlock();
  if (result !== Scan.SUCCEED) {
    yield* mm.pageTableLock.lock();
    if (points.on) yield at.pte(pmdp);
    setPte(host, pmdp, makePte(table, PTE_V));
    yield* mm.pageTableLock.unlock();
    yield* host.locks.anonVmaUnlockWrite(anonVma);
    yield* releasePages(host, collapse);
    return result;
  }
  yield* host.locks.anonVmaUnlockWrite(anonVma);
  yield* copyPages(collapse, vma, pfnToHpa(table), folio);
  if (points.on) yield at.page(folio);
  host.frames.set(folio, PG_uptodate);
  yield* mm.pageTableLock.lock();
  yield* mapAnonFolioPmd(vma, folio, pmdp, address, table);
  yield* mm.pageTableLock.unlock();
  return Scan.SUCCEED;
}

/** Between start and end: nobody finds the table any more, and no CPU uses it. */
function* unhookTable(mm: Mm, address: Hva, pmdp: Hpa): Steps {
  const end = (address + HPAGE_PMD_SIZE) as Hva;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, address, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  yield* mm.pageTableLock.lock();
  yield* pmdpCollapseFlush(mm, address, pmdp);
  yield* mm.pageTableLock.unlock();
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
}

/** These results say nothing of the next 2 MiB. */
const GOES_ON: ReadonlySet<number> = new Set([
  Scan.PMD_NULL,
  Scan.PTE_NON_PRESENT,
  Scan.PTE_UFFD_WP,
  Scan.PAGE_NULL,
  Scan.PAGE_COUNT,
  Scan.PAGE_LOCK,
  Scan.PAGE_COMPOUND,
  Scan.PAGE_LRU,
  Scan.DEL_PAGE_LRU,
]);

/** Trying again might succeed. */
const TRY_AGAIN: ReadonlySet<number> = new Set([
  Scan.PAGE_COUNT,
  Scan.PAGE_LOCK,
  Scan.PAGE_LRU,
  Scan.DEL_PAGE_LRU,
  Scan.PAGE_FILLED,
]);

/** madvise_collapse_errno(). */
function errnoOf(scan: number): number {
  if (scan === Scan.ALLOC_HUGE_PAGE_FAIL) return -Errno.ENOMEM;
  if (scan === Scan.CGROUP_CHARGE_FAIL || scan === Scan.EXCEED_NONE_PTE) return -Errno.EBUSY;
  return TRY_AGAIN.has(scan) ? -Errno.EAGAIN : -Errno.EINVAL;
}

/** One round of madvise_collapse(): SCAN_*; mmap_lock is held, perhaps again. */
function* collapseOne(collapse: Collapse, vma: Vma, address: Hva): Steps<number> {
  const { mm, file } = vma;
  const { locks } = mm.host;
  if (file === null) {
    const result = yield* collapseScanPmd(collapse, vma, address);
    if (collapse.lockDropped) yield* locks.mmapReadLock(mm);
    return result;
  }
  const index = vma.indexOf(address);
  getFile(file);
  collapse.lockDropped = true;
  yield* locks.mmapReadUnlock(mm);
  const result = yield* collapseScanFile(collapse, mm, address, file.mapping, index);
  yield* fput(file);
  yield* locks.mmapReadLock(mm);
  // The huge folio is there now: this mapping is to have it by one entry.
  return result === Scan.PTE_MAPPED_HUGEPAGE ? yield* collapsePteMappedThp(mm, address, true) : result;
}

/**
 * madvise_collapse(): every 2 MiB that lie in the range whole, of anonymous memory or shmem. mmap_lock is held for
 * read, and again on return. 0; -EINVAL (nothing to collapse, or it may not be), -ENOMEM (no huge page), -EBUSY (a
 * userfaultfd is to hear of holes, or the cgroup may have no more), -EAGAIN (a page is in use).
 */
export function* madviseCollapse(vma: Vma, start: Hva, end: Hva): Steps<number> {
  const { mm } = vma;
  if (!(yield* thpVmaAllowableOrder(vma, vma.flags, 'forcedCollapse'))) return -Errno.EINVAL;
  const first = hugeAlignDown(start + HPAGE_PMD_SIZE - 1);
  let last = hugeAlignDown(end);
  let area: Vma = vma;
  let collapsed = 0;
  let failure: number = Scan.FAIL;
  const collapse = newCollapse(false);
  for (let address = first; address < last; address += HPAGE_PMD_SIZE) {
    if (collapse.lockDropped) {
      const now = yield* revalidate(collapse, mm, address as Hva, false);
      if (typeof now === 'number') return errnoOf(now);
      area = now;
      last = Math.min(last, hugeAlignDown(area.end));
    }
    collapse.lockDropped = false;
    const result = yield* collapseOne(collapse, area, address as Hva);
    if (result === Scan.SUCCEED || result === Scan.PMD_MAPPED) collapsed++;
    else failure = result;
    if (result !== Scan.SUCCEED && result !== Scan.PMD_MAPPED && !GOES_ON.has(result)) break;
  }
  return collapsed === (last - first) / HPAGE_PMD_SIZE ? 0 : errnoOf(failure);
}
