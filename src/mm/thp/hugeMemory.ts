// Faults where a huge page is, or could be (mm/huge_memory.c: do_huge_pmd_anonymous_page, do_huge_pmd_wp_page).
//
// fault.ts comes here where there is no table of PTEs. VM_FAULT_FALLBACK: go on with a page of 4 KiB.
//
// Invariants: as in fault.ts; the table that the entry may have to be split into is there before the entry is
// (depositTable()).
// Locks: mmap_lock for read or the VMA's; then the folio lock, mm.pageTableLock.

import { isTable, PTE_A, PTE_D, PTE_W, ptePfn } from '../../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { bug, type Hpa, type Hva, type Pfn } from '../../units.ts';
import {
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_WRITE,
  VM_FAULT_FALLBACK,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  type VmFault,
} from '../fault/faultTypes.ts';
import { folioPut } from '../page/folio.ts';
import { PG_swapcache, PG_uptodate } from '../page/frames.ts';
import { freeKernelPages } from '../page/kernelPages.ts';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, hugeAlignDown } from '../page/largeFolio.ts';
import { allocHugePage, allocKernelPages } from '../page/pageAlloc.ts';
import { allocPmd } from '../pagetable/pageTable.ts';
import { depositTable, isHugeZeroPmd, pmdpHugeClearFlush, withdrawTable } from '../pagetable/pmd.ts';
import { findEntry, maybeMkWrite, mkPte, PTE_SOFT_DIRTY, readPte, setPte } from '../pagetable/pte.ts';
import { folioAddLruVma } from '../reclaim/mlockFolio.ts';
import { vmfAnonPrepare } from '../rmap/anonVma.ts';
import { addNewHugeRmap } from '../rmap/hugeRmap.ts';
import { handleUserfault } from '../userfaultfd/userfaultfd.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_HUGEPAGE, VM_UFFD_MISSING } from '../vma/vmFlags.ts';
import { setHugeZeroFolio } from './hugeZeroFault.ts';
import { khugepagedEnterVma } from './khugepaged.ts';
import { splitHugePmd } from './splitPmd.ts';
import { isThpSuitable, thpVmaAllowableOrder } from './thp.ts';

/** The PMD part of __handle_mm_fault(): VM_FAULT bits. */
export function* handleHugePmd(vmf: VmFault): Steps<number> {
  const { vma, address } = vmf;
  const { mm } = vma;
  if (points.on) yield at.list(mm.pageTableLock.id);
  let pmdp = findEntry(mm, address, 1);
  const mayMake = isThpSuitable(vma, address) && (yield* thpVmaAllowableOrder(vma, vma.flags, 'pagefault'));
  if (pmdp === 0 && !mayMake) return VM_FAULT_FALLBACK;
  if (pmdp === 0) pmdp = yield* allocPmd(mm, address);
  if (pmdp === 0) return VM_FAULT_OOM;
  if (points.on) yield at.pte(pmdp);
  const pmd = readPte(mm.host, pmdp);
  if (pmd === 0) return mayMake ? yield* doHugePmdAnonymousPage(vmf, pmdp) : VM_FAULT_FALLBACK;
  if (isTable(pmd)) return VM_FAULT_FALLBACK;
  const wantsOwn = (vmf.flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) !== 0;
  if (wantsOwn && (pmd & PTE_W) === 0) return yield* wpHugePmd(vmf, pmdp, pmd);
  return yield* hugePmdSetAccessed(vmf, pmdp, pmd);
}

/** do_huge_pmd_anonymous_page(). */
function* doHugePmdAnonymousPage(vmf: VmFault, pmdp: Hpa): Steps<number> {
  const { mm } = vmf.vma;
  const { host } = mm;
  const prepared = yield* vmfAnonPrepare(vmf);
  if (prepared !== 0) return prepared;
  yield* khugepagedEnterVma(vmf.vma, vmf.vma.flags);
  if ((vmf.flags & FAULT_FLAG_WRITE) === 0 && host.thp.useZeroPage) return yield* setHugeZeroFolio(vmf, pmdp);
  // transparent_hugepage/defrag: madvise.
  const folio = yield* allocHugePage(host, mm, (vmf.vma.flags & VM_HUGEPAGE) !== 0);
  if (folio === null) {
    host.vmstat.thp_fault_fallback++;
    return VM_FAULT_FALLBACK;
  }
  const table = yield* allocKernelPages(host, 0, 'pageTable');
  if (table === null) {
    yield* folioPut(host, folio);
    return VM_FAULT_OOM;
  }
  if (points.on) yield at.page(folio);
  host.memory.zero(folio, HPAGE_PMD_NR);
  host.frames.set(folio, PG_uptodate);
  yield* mm.pageTableLock.lock();
  if (points.on) yield at.pte(pmdp);
  const isNone = readPte(host, pmdp) === 0;
  const unstable = isNone && mm.unstable;
  const asks = isNone && !unstable && (vmf.vma.flags & VM_UFFD_MISSING) !== 0;
  const maps = isNone && !unstable && !asks;
  if (maps) mm.pageTables++;
  if (maps) yield* mapAnonFolioPmd(vmf.vma, folio, pmdp, hugeAlignDown(vmf.address) as Hva, table);
  yield* mm.pageTableLock.unlock();
  if (maps) {
    host.vmstat.thp_fault_alloc++;
    return 0;
  }
  yield* folioPut(host, folio);
  yield* freeKernelPages(host, table, 0);
  if (asks) return yield* handleUserfault(vmf, VM_UFFD_MISSING);
  return unstable ? VM_FAULT_SIGBUS : 0;
}

/**
 * do_huge_zero_wp_pmd(): a huge page of the process's own takes the place of zeros; VM_FAULT_FALLBACK when there is
 * none. As a copy (reference table row 14): start; pmd lock; cleared and flushed; set; unlock; end.
 */
function* doHugeZeroWpPmd({ vma, address }: VmFault, pmdp: Hpa, pmd: number): Steps<number> {
  const { mm } = vma;
  const { host } = mm;
  const folio = yield* allocHugePage(host, mm, (vma.flags & VM_HUGEPAGE) !== 0);
  if (folio === null) {
    host.vmstat.thp_fault_fallback++;
    return VM_FAULT_FALLBACK;
  }
  if (points.on) yield at.page(folio);
  host.memory.zero(folio, HPAGE_PMD_NR);
  host.frames.set(folio, PG_uptodate);
  const start = hugeAlignDown(address) as Hva;
  const end = (start + HPAGE_PMD_SIZE) as Hva;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, start, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  yield* mm.pageTableLock.lock();
  if (points.on) yield at.pte(pmdp);
  const same = readPte(host, pmdp) === pmd;
  const maps = same && !mm.unstable;
  if (maps) {
    yield* pmdpHugeClearFlush(mm, start, pmdp);
    yield* mapAnonFolioPmd(vma, folio, pmdp, start, withdrawTable(mm));
  }
  yield* mm.pageTableLock.unlock();
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  if (maps) host.vmstat.thp_fault_alloc++;
  else yield* folioPut(host, folio);
  return same && !maps ? VM_FAULT_SIGBUS : 0;
}

/** map_anon_folio_pmd(): a new folio at `start`, whose entry is none; `table` is counted. Under mm.pageTableLock. */
export function* mapAnonFolioPmd(vma: Vma, folio: Pfn, pmdp: Hpa, start: Hva, table: Pfn): Steps {
  const { mm } = vma;
  const { host } = mm;
  depositTable(mm, table);
  yield* addNewHugeRmap(vma, folio, start);
  yield* folioAddLruVma(vma, folio);
  const entry = mkPte(folio, vma);
  if (points.on) yield at.pte(pmdp);
  setPte(host, pmdp, maybeMkWrite(entry, vma));
  mm.hugePmds++;
}

/** huge_pmd_set_accessed(): what the CPU would have set. */
function* hugePmdSetAccessed({ vma: { mm }, flags }: VmFault, pmdp: Hpa, pmd: number): Steps<number> {
  const dirties = (flags & FAULT_FLAG_WRITE) !== 0;
  yield* mm.pageTableLock.lock();
  if (points.on) yield at.pte(pmdp);
  if (readPte(mm.host, pmdp) === pmd)
    setPte(mm.host, pmdp, pmd | PTE_A | (dirties ? PTE_D | PTE_SOFT_DIRTY : 0));
  yield* mm.pageTableLock.unlock();
  return 0;
}

/** wp_huge_pmd(): a store, or a pin, of a huge page that is read-only; what is shared is copied page by page. */
function* wpHugePmd(vmf: VmFault, pmdp: Hpa, pmd: number): Steps<number> {
  const { vma, address } = vmf;
  const { mm } = vma;
  if (isHugeZeroPmd(pmd)) {
    const result = yield* doHugeZeroWpPmd(vmf, pmdp, pmd);
    if (result !== VM_FAULT_FALLBACK) return result;
  } else if (vma.file === null) {
    yield* mm.pageTableLock.lock();
    if (points.on) yield at.pte(pmdp);
    const same = readPte(mm.host, pmdp) === pmd;
    const reuses = same && (yield* canReuseHuge(vma, ptePfn(pmd)));
    if (reuses && (vmf.flags & FAULT_FLAG_UNSHARE) === 0) {
      if (points.on) yield at.pte(pmdp);
      setPte(mm.host, pmdp, maybeMkWrite(pmd | PTE_A, vma));
    }
    yield* mm.pageTableLock.unlock();
    if (!same || reuses) return 0;
  }
  yield* splitHugePmd(vma, pmdp, address);
  return VM_FAULT_FALLBACK;
}

/** The middle of do_huge_pmd_wp_page(): nobody but this entry has the folio. */
function* canReuseHuge(vma: Vma, folio: Pfn): Steps<boolean> {
  const { host } = vma.mm;
  const { frames } = host;
  if (points.on) yield at.page(folio);
  if (frames.isAnonExclusive(folio, folio)) return true;
  if (frames.count(folio) > 1 || frames.test(folio, PG_swapcache)) return false;
  if (!host.folioLocks.tryLock(folio)) return false;
  const alone = frames.count(folio) === 1;
  if (alone) {
    frames.setAnonExclusive(folio, folio, true);
    // folio_move_anon_rmap().
    frames.mapping[folio] = vma.anonVma?.id ?? bug('anonymous folio mapped without an anon_vma', { folio });
  }
  host.folioLocks.unlock(folio);
  return alone;
}
