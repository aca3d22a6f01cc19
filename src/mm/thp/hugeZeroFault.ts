// Read faults of memory that was never written, where 2 MiB can be mapped by one entry (mm/huge_memory.c:
// set_huge_zero_folio, mm_get_huge_zero_folio).
//
// hugeMemory.ts comes here. Invariants: hugeZero.ts. Locks: mmap_lock for read or the VMA's; then mm.pageTableLock.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Hpa, Pfn } from '../../units.ts';
import { VM_FAULT_FALLBACK, VM_FAULT_OOM, VM_FAULT_SIGBUS, type VmFault } from '../fault/faultTypes.ts';
import type { Host } from '../host.ts';
import { folioPut } from '../page/folio.ts';
import { PG_uptodate } from '../page/frames.ts';
import { freeKernelPages } from '../page/kernelPages.ts';
import { HPAGE_PMD_NR } from '../page/largeFolio.ts';
import { allocHugePage, allocKernelPages } from '../page/pageAlloc.ts';
import { depositTable } from '../pagetable/pmd.ts';
import { mkPte, PTE_SPECIAL, readPte, setPte } from '../pagetable/pte.ts';
import { handleUserfault } from '../userfaultfd/userfaultfd.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { VM_UFFD_MISSING } from '../vma/vmFlags.ts';
import { setHugeZero, tryGetHugeZeroFolio } from './hugeZero.ts';

/** The read part of do_huge_pmd_anonymous_page(): everybody's huge page of zeros, read-only. */
export function* setHugeZeroFolio(vmf: VmFault, pmdp: Hpa): Steps<number> {
  const { mm } = vmf.vma;
  const { host } = mm;
  const table = yield* allocKernelPages(host, 0, 'pageTable');
  if (table === null) return VM_FAULT_OOM;
  const zero = yield* mmGetHugeZeroFolio(mm);
  if (zero === null) {
    yield* freeKernelPages(host, table, 0);
    host.vmstat.thp_fault_fallback++;
    return VM_FAULT_FALLBACK;
  }
  yield* mm.pageTableLock.lock();
  if (points.on) yield at.pte(pmdp);
  const isNone = readPte(host, pmdp) === 0;
  const asks = isNone && !mm.unstable && (vmf.vma.flags & VM_UFFD_MISSING) !== 0;
  const maps = isNone && !mm.unstable && !asks;
  if (maps) {
    mm.pageTables++;
    depositTable(mm, table);
    setPte(host, pmdp, mkPte(zero, vmf.vma) | PTE_SPECIAL);
    mm.hugePmds++;
  }
  yield* mm.pageTableLock.unlock();
  if (!maps) yield* freeKernelPages(host, table, 0);
  if (asks) return yield* handleUserfault(vmf, VM_UFFD_MISSING);
  return isNone && !maps ? VM_FAULT_SIGBUS : 0;
}

/** mm_get_huge_zero_folio(): the folio, for `mm` to map; null when there is no memory for it. May sleep. */
function* mmGetHugeZeroFolio(mm: Mm): Steps<Pfn | null> {
  const { host } = mm;
  if (mm.hasHugeZero) return host.hugeZeroFolio as Pfn;
  const folio = yield* getHugeZeroFolio(host);
  if (folio === null) return null;
  // Another thread of the process may have been faster.
  if (mm.hasHugeZero) yield* folioPut(host, folio);
  mm.hasHugeZero = true;
  return folio;
}

/** get_huge_zero_folio(): with a reference for the caller. */
function* getHugeZeroFolio(host: Host): Steps<Pfn | null> {
  for (;;) {
    const found = yield* tryGetHugeZeroFolio(host);
    if (found !== 0) return found;
    const folio = yield* allocHugePage(host, null, true);
    if (folio === null) {
      host.vmstat.thp_zero_page_alloc_failed++;
      return null;
    }
    if (points.on) yield at.page(folio);
    host.memory.zero(folio, HPAGE_PMD_NR);
    host.frames.set(folio, PG_uptodate);
    if (yield* setHugeZero(host, folio)) return folio;
    yield* folioPut(host, folio);
  }
}
