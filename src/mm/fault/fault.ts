// Page faults of an address space (mm/memory.c: handle_mm_fault, do_anonymous_page).
//
// userAccess.ts comes here when the CPU faults, gup.ts on behalf of kvm. Dispatches on the PTE: nothing there (the zero
// page or a new page), a swap entry (swapIn.ts), a page that is being moved, present but not writable (copyOnWrite.ts).
//
// Invariants: the PTE is re-checked under its lock before it is changed (pte_same), since everything before may sleep.
// None of these faults is notified: none -> present and upgrades never are; a page replaced by another is.
// Locks: mmap_lock for read, or the VMA's lock (FAULT_FLAG_VMA_LOCK); VM_FAULT_RETRY means that it was dropped.

import { PTE_A, PTE_D, PTE_W } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { type Hva, pageAlignDown } from '../../units.ts';
import { folioPut } from '../page/folio.ts';
import { PG_locked, PG_uptodate } from '../page/frames.ts';
import { allocAnonPage } from '../page/pageAlloc.ts';
import { isMigrationPte, migrationPfn } from '../pagetable/migrationEntry.ts';
import { allocPte, noPteResult } from '../pagetable/pageTable.ts';
import {
  findPte,
  isPresentPte,
  isProtNone,
  isStillMapped,
  maybeMkWrite,
  mkPte,
  PTE_SOFT_DIRTY,
  PTE_SPECIAL,
  pteMapLock,
  ptlOf,
  readPte,
  setPte,
} from '../pagetable/pte.ts';
import { folioAddLruVma } from '../reclaim/mlockFolio.ts';
import { vmfAnonPrepare } from '../rmap/anonVma.ts';
import { addNewAnonRmap } from '../rmap/rmap.ts';
import { doSwapPage } from '../swap/swapIn.ts';
import { handleHugePmd } from '../thp/hugeMemory.ts';
import { thpVmaAllowableOrder } from '../thp/thp.ts';
import { handleUserfault } from '../userfaultfd/userfaultfd.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_UFFD_MISSING } from '../vma/vmFlags.ts';
import { doWpPage } from './copyOnWrite.ts';
import {
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_WRITE,
  VM_FAULT_FALLBACK,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  type VmFault,
} from './faultTypes.ts';
import { doFault } from './fileFault.ts';
import { doNumaPage } from './numaFault.ts';

/** handle_mm_fault(): `vma` contains `address` and permits the access. Answers VM_FAULT bits. */
export function* handleMmFault(vma: Vma, address: Hva, flags: number): Steps<number> {
  const { mm } = vma;
  mm.host.vmstat.pgfault++;
  if (mm.memcg !== null) mm.memcg.faults.pgfault++;
  const page = pageAlignDown(address) as Hva;
  if (points.on) yield at.list(mm.pageTableLock.id);
  const vmf: VmFault = {
    vma,
    address: page,
    pgoff: vma.indexOf(page),
    flags,
    ptep: findPte(mm, page),
    origPte: 0,
    page: 0,
  };
  if (vmf.ptep === 0 && (mm.hugePmds > 0 || (yield* thpVmaAllowableOrder(vma, vma.flags, 'pagefault')))) {
    const result = yield* handleHugePmd(vmf);
    if (result !== VM_FAULT_FALLBACK) return result;
    // A huge page that was split has left a table.
    if (points.on) yield at.list(mm.pageTableLock.id);
    vmf.ptep = findPte(mm, page);
  }
  if (vmf.ptep !== 0) {
    if (points.on) yield at.pte(vmf.ptep);
    if (!isStillMapped(mm, page, vmf.ptep)) return 0;
    vmf.origPte = readPte(mm.host, vmf.ptep);
  }
  if (vmf.origPte === 0) return yield* vma.file === null ? doAnonymousPage(vmf) : doFault(vmf);
  if (isMigrationPte(vmf.origPte)) return yield* migrationEntryWait(vmf);
  if (!isPresentPte(vmf.origPte)) return yield* doSwapPage(vmf);
  // The VMA permits the access.
  if (isProtNone(vmf.origPte)) return yield* doNumaPage(vmf);
  return yield* handlePresentPte(vmf);
}

/**
 * migration_entry_wait(): until the page has arrived, or stays. Without a reference, which would keep it from moving: if
 * the frame is another's by now, no more comes of it than a longer wait. Answers 0: look again.
 */
function* migrationEntryWait({ vma, origPte }: VmFault): Steps<number> {
  const { frames, folioLocks } = vma.mm.host;
  yield* folioLocks.wait(frames.folioOf(migrationPfn(origPte)), PG_locked);
  return 0;
}

/** The end of handle_pte_fault(): a write to a read-only page, or an entry that somebody else already made. */
function* handlePresentPte(vmf: VmFault): Steps<number> {
  const { mm } = vmf.vma;
  const { host } = mm;
  if (!(yield* pteMapLock(mm, vmf.address, vmf.ptep))) return 0;
  const ptl = ptlOf(host, vmf.ptep);
  if (points.on) yield at.pte(vmf.ptep);
  const same = readPte(host, vmf.ptep) === vmf.origPte;
  const write = (vmf.flags & FAULT_FLAG_WRITE) !== 0;
  const wantsOwn = (vmf.flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) !== 0;
  if (same && wantsOwn && (vmf.origPte & PTE_W) === 0) return yield* doWpPage(vmf, ptl);
  // pte_mkyoung(), pte_mkdirty(): what the CPU would have set.
  if (same) setPte(host, vmf.ptep, vmf.origPte | PTE_A | (write ? PTE_D | PTE_SOFT_DIRTY : 0));
  yield* ptl.unlock();
  return 0;
}

/** No VM_FAULT bits: a userfaultfd is to be asked, with nothing held but what the fault came with. */
const USERFAULT = -1;
/** No VM_FAULT bits: the caller is the one to fill the entry. */
const STILL_NONE = -2;

/** do_anonymous_page(). */
function* doAnonymousPage(vmf: VmFault): Steps<number> {
  const { mm } = vmf.vma;
  if (vmf.ptep === 0) vmf.ptep = yield* allocPte(mm, vmf.address);
  if (vmf.ptep <= 0) return noPteResult(vmf.ptep);
  const result = yield* (vmf.flags & FAULT_FLAG_WRITE) === 0 ? mapZeroPage(vmf) : mapZeroedPage(vmf);
  return result === USERFAULT ? yield* handleUserfault(vmf, VM_UFFD_MISSING) : result;
}

/** A store, or the first of a process. */
function* mapZeroedPage(vmf: VmFault): Steps<number> {
  const { vma, address, ptep } = vmf;
  const { mm } = vma;
  const { host } = mm;
  const prepared = vma.anonVma === null ? yield* vmfAnonPrepare(vmf) : 0;
  if (prepared !== 0) return prepared;
  const pfn = yield* allocAnonPage(host, mm);
  if (pfn === null) return VM_FAULT_OOM;
  if (points.on) yield at.page(pfn);
  host.memory.zero(pfn);
  host.frames.set(pfn, PG_uptodate);
  const ptl = ptlOf(host, ptep);
  if (points.on) yield at.lock(ptl);
  if (!ptl.take()) yield* ptl.wait();
  if (points.on) yield at.pte(ptep);
  const result = checkNone(vmf);
  if (result === STILL_NONE) {
    mm.anonPages++;
    if (points.on) yield at.page(pfn);
    addNewAnonRmap(vma, pfn, address, true);
    yield* folioAddLruVma(vma, pfn);
    if (points.on) yield at.pte(ptep);
    setPte(host, ptep, maybeMkWrite(mkPte(pfn, vma), vma));
  }
  if (points.on) yield at.lock(ptl);
  ptl.release();
  if (result === STILL_NONE) return 0;
  yield* folioPut(host, pfn);
  return result;
}

/** A read of memory that was never written: everybody's zero page, read-only. */
function* mapZeroPage(vmf: VmFault): Steps<number> {
  const { vma } = vmf;
  const { host } = vma.mm;
  const entry = mkPte(host.zeroPfn, vma) | PTE_SPECIAL;
  const ptl = ptlOf(host, vmf.ptep);
  yield* ptl.lock();
  if (points.on) yield at.pte(vmf.ptep);
  const result = checkNone(vmf);
  if (result === STILL_NONE) {
    if (points.on) yield at.pte(vmf.ptep);
    setPte(host, vmf.ptep, entry);
  }
  yield* ptl.unlock();
  return result === STILL_NONE ? 0 : result;
}

/**
 * Under the page table lock: STILL_NONE if the entry is none and the mm whole, and no userfaultfd wants it; else what the
 * fault comes to. Preceded by at.pte(vmf.ptep).
 */
function checkNone({ vma, ptep }: VmFault): number {
  const { mm } = vma;
  if (readPte(mm.host, ptep) !== 0) return 0;
  if (mm.unstable) return VM_FAULT_SIGBUS;
  return (vma.flags & VM_UFFD_MISSING) !== 0 ? USERFAULT : STILL_NONE;
}
