// The page tables of mappings of a huge folio of shmem that go page by page: taken out, so that 2 MiB can be mapped by one
// entry (mm/khugepaged.c: retract_page_tables, collapse_pte_mapped_thp).
//
// Order (reference table row 16c), for each VMA: start (CLEAR, the 2 MiB); entries cleared, if there are any; pmd lock,
// page table lock: the table is unhooked and CPUs flushed; unlock; end; the table is freed.
// Invariants: the folio is locked, so that no fault fills the table again. A VMA with an anon_vma may have copies of
// its own in it: it keeps its table. Others may have found the table that goes (pteMapLock()).
// Locks: i_mmap_rwsem for read, or mmap_lock for read and the folio lock; then mm.pageTableLock, page table lock.

import { isTable, PTE_BYTES, PTE_D, ptePfn } from '../../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { Scan } from '../../trace/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn, pfnToHpa } from '../../units.ts';
import type { VmFault } from '../fault/faultTypes.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import { filemapLockFolio } from '../filemap/filemap.ts';
import { folioMarkDirty, folioPut, folioUnlockPut } from '../page/folio.ts';
import { freeKernelPages } from '../page/kernelPages.ts';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, hugeAlignDown } from '../page/largeFolio.ts';
import { findPmdOrThpOrNone, pmdpCollapseFlush } from '../pagetable/pmd.ts';
import { isPresentPte, pteMapLock, ptepGetAndClear, ptlOf, readPte } from '../pagetable/pte.ts';
import { flushTlbMm } from '../pagetable/tlbFlush.ts';
import { removeRmap } from '../rmap/rmap.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_SHARED, VM_UFFD_WP } from '../vma/vmFlags.ts';
import { doSetPmd } from './fileHugeFault.ts';
import { isThpSuitable, thpVmaAllowableOrder } from './thp.ts';

/** retract_page_tables(): of every VMA that has room for the huge folio from page `start` of `mapping`. */
export function* retractPageTables(mapping: AddressSpace, start: number): Steps {
  const { locks } = mapping.host;
  yield* locks.iMmapLockRead(mapping);
  if (points.on) yield at.list(mapping.iMmapRwsem.id);
  for (const vma of mapping.iMmap.overlapping(start, start)) {
    const address = (vma.start + (start - vma.pgoff) * PAGE_SIZE) as Hva;
    if (mayRetract(vma, address)) yield* retractTable(vma, address);
  }
  yield* locks.iMmapUnlockRead(mapping);
}

const mayRetract = (vma: Vma, address: Hva): boolean =>
  keepsNothing(vma) && address % HPAGE_PMD_SIZE === 0 && isThpSuitable(vma, address) && vma.mm.mmUsers > 0;

const keepsNothing = ({ anonVma, flags }: Vma): boolean => anonVma === null && (flags & VM_UFFD_WP) === 0;

function* retractTable(vma: Vma, address: Hva): Steps {
  const { mm } = vma;
  const found = yield* findPmdOrThpOrNone(mm, address);
  if ('scan' in found) return;
  const end = (address + HPAGE_PMD_SIZE) as Hva;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, address, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  const table = yield* retractLocked(vma, address, found.pmdp);
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  if (table !== 0) yield* freeTable(mm, table);
}

/** The table, taken out of the entry and flushed; 0: it is needed after all. */
function* retractLocked(vma: Vma, address: Hva, pmdp: Hpa): Steps<Pfn | 0> {
  const { mm } = vma;
  const { host } = mm;
  let table: Pfn | 0 = 0;
  yield* mm.pageTableLock.lock();
  if (points.on) yield at.pte(pmdp);
  const pmd = readPte(host, pmdp);
  if (isTable(pmd)) {
    const ptl = ptlOf(host, pfnToHpa(ptePfn(pmd)));
    yield* ptl.lock();
    if (keepsNothing(vma)) {
      table = ptePfn(pmd);
      yield* pmdpCollapseFlush(mm, address, pmdp);
    }
    yield* ptl.unlock();
  }
  yield* mm.pageTableLock.unlock();
  return table;
}

/** mm_dec_nr_ptes() and pte_free_defer(): who has found the table sees that it is gone once he has its lock. */
function* freeTable(mm: Mm, table: Pfn): Steps {
  mm.pageTables--;
  yield* freeKernelPages(mm.host, table, 0);
}

/**
 * collapse_pte_mapped_thp(): takes out a table whose entries are none, or map the huge folio that the page cache has at
 * `address`; with `install` the folio is mapped by one entry then. mmap_lock is held for read. SCAN_*.
 */
export function* collapsePteMappedThp(mm: Mm, address: Hva, install: boolean): Steps<number> {
  const start = hugeAlignDown(address) as Hva;
  if (points.on) yield at.list(mm.vmas.id);
  const vma = mm.vmas.find(start);
  if (vma === null || vma.file === null || start + HPAGE_PMD_SIZE > vma.end) return Scan.VMA_CHECK;
  const found = yield* findPmdOrThpOrNone(mm, start);
  if ('scan' in found && found.scan === Scan.PMD_MAPPED) return found.scan;
  if (!(yield* thpVmaAllowableOrder(vma, vma.flags, 'forcedCollapse'))) return Scan.VMA_CHECK;
  if ((vma.flags & VM_UFFD_WP) !== 0) return Scan.PTE_UFFD_WP;
  const { mapping } = vma.file;
  const { host } = mapping;
  const folio = (yield* filemapLockFolio(mapping, vma.indexOf(start))) as Pfn | 0;
  if (folio === 0) return Scan.PAGE_NULL;
  const result = yield* collapseLocked(vma, start, folio, install);
  yield* folioUnlockPut(host, folio);
  return result;
}

/** With the folio locked. */
function* collapseLocked(vma: Vma, start: Hva, folio: Pfn, install: boolean): Steps<number> {
  const { mm } = vma;
  if (mm.host.frames.order[folio] === 0) return Scan.PAGE_COMPOUND;
  const found = yield* findPmdOrThpOrNone(mm, start);
  if (!('scan' in found)) {
    const result = yield* dropTable(vma, start, folio, found.pmdp, found.table);
    if (result !== Scan.SUCCEED) return result;
  } else if (found.scan !== Scan.PMD_NONE) return found.scan;
  return install ? yield* setHugePmd(vma, start, folio) : Scan.SUCCEED;
}

/** Steps 1 to 4: all entries are looked at, cleared, and the table goes. */
function* dropTable(vma: Vma, start: Hva, folio: Pfn, pmdp: Hpa, table: Pfn): Steps<number> {
  const { mm } = vma;
  const first = pfnToHpa(table);
  if (!(yield* pteMapLock(mm, start, first))) return Scan.FAIL;
  let result = yield* visitEntries(vma, folio, first, false);
  yield* ptlOf(mm.host, first).unlock();
  if (result !== Scan.SUCCEED) return result;
  const end = (start + HPAGE_PMD_SIZE) as Hva;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, start, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  result = yield* clearEntries(vma, start, folio, first);
  if (result === Scan.SUCCEED) result = yield* unhookEmptied(vma, start, pmdp, table);
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  if (result === Scan.SUCCEED) yield* freeTable(mm, table);
  return result;
}

/**
 * UFFDIO_COPY fills private memory without the lock of the folio: so that it does not put a page into the table once that
 * is empty, mm.pageTableLock and the page table lock are held from step 2 to 4.
 */
const isFilledUnlocked = ({ flags, userfaultfd }: Vma): boolean =>
  userfaultfd !== null && (flags & VM_SHARED) === 0;

/** Step 2: stores that copy, swapping and moving go on until the page table lock is had. */
function* clearEntries(vma: Vma, start: Hva, folio: Pfn, first: Hpa): Steps<number> {
  const { mm } = vma;
  const keepsLocks = isFilledUnlocked(vma);
  if (keepsLocks) yield* mm.pageTableLock.lock();
  const isThere = yield* pteMapLock(mm, start, first);
  const result = isThere ? yield* visitEntries(vma, folio, first, true) : Scan.FAIL;
  if (isThere && result !== Scan.SUCCEED) yield* flushTlbMm(mm);
  if (keepsLocks && result === Scan.SUCCEED) return result;
  if (isThere) yield* ptlOf(mm.host, first).unlock();
  if (keepsLocks) yield* mm.pageTableLock.unlock();
  return result;
}

/** Step 4. The CPUs are flushed here for the entries as well. */
function* unhookEmptied(vma: Vma, start: Hva, pmdp: Hpa, table: Pfn): Steps<number> {
  const { mm } = vma;
  const { host } = mm;
  const ptl = ptlOf(host, pfnToHpa(table));
  if (!isFilledUnlocked(vma)) {
    yield* mm.pageTableLock.lock();
    yield* ptl.lock();
  }
  if (points.on) yield at.pte(pmdp);
  const pmd = readPte(host, pmdp);
  const isThere = isTable(pmd) && ptePfn(pmd) === table;
  if (isThere) yield* pmdpCollapseFlush(mm, start, pmdp);
  else yield* flushTlbMm(mm);
  yield* ptl.unlock();
  yield* mm.pageTableLock.unlock();
  return isThere ? Scan.SUCCEED : Scan.FAIL;
}

/** Under the page table lock: whether each entry is none or maps its page of `folio`; `clears`: and maps it no more. */
function* visitEntries(vma: Vma, folio: Pfn, first: Hpa, clears: boolean): Steps<number> {
  const { host } = vma.mm;
  for (let i = 0; i < HPAGE_PMD_NR; i++) {
    const ptep = (first + i * PTE_BYTES) as Hpa;
    const page = (folio + i) as Pfn;
    if (points.on) yield at.pte(ptep);
    const pte = readPte(host, ptep);
    if (pte === 0) continue;
    if (!isPresentPte(pte)) return Scan.PTE_NON_PRESENT;
    if (ptePfn(pte) !== page) return Scan.FAIL;
    if (!clears) continue;
    const isDirty = (ptepGetAndClear(host, ptep) & PTE_D) !== 0;
    // Linux need not ask: its folios of shmem are dirty from the start.
    if (isDirty) {
      if (points.on) yield at.page(folio);
      folioMarkDirty(host, folio);
    }
    yield* removeRmap(vma, page);
    yield* folioPut(host, folio);
  }
  return Scan.SUCCEED;
}

/** set_huge_pmd(): the entry takes a reference of its own. */
function* setHugePmd(vma: Vma, address: Hva, folio: Pfn): Steps<number> {
  const { host } = vma.mm;
  const pgoff = vma.indexOf(address);
  const vmf: VmFault = { vma, address, pgoff, flags: 0, ptep: 0 as Hpa, origPte: 0, page: folio };
  if (points.on) yield at.page(folio);
  host.frames.get(folio);
  if ((yield* doSetPmd(vmf, folio, false)) === 0) return Scan.SUCCEED;
  yield* folioPut(host, folio);
  return Scan.FAIL;
}
