// Faults of file and shmem mappings: where nothing is mapped yet, and stores to shared pages that are read-only
// (mm/memory.c: do_fault, wp_page_shared).
//
// fault.ts and copyOnWrite.ts come here. The kind of file says where the page is (ops.fault); it is then mapped, or
// copied for a private mapping that is written to. A file with a disk is asked before a page becomes writable
// (page_mkwrite), and the page is dirty from then on.
//
// Invariants: the entry is re-checked under the page table lock after every sleep; none -> present and upgrades are
// not notified. Locks: as fault.ts; then folio lock, page table lock.

import { PTE_A, PTE_BYTES, PTE_W } from '../../hw/sv39/index.ts';
import { at, type Mutex, points, type Steps } from '../../sched/index.ts';
import type { Hpa, Pfn } from '../../units.ts';
import type { File } from '../filemap/file.ts';
import { balanceDirtyPages } from '../filemap/writeback.ts';
import type { Host } from '../host.ts';
import { folioMarkDirty, folioPut, putPage } from '../page/folio.ts';
import { PG_uptodate } from '../page/frames.ts';
import { allocAnonPage } from '../page/pageAlloc.ts';
import { allocPte, noPteResult } from '../pagetable/pageTable.ts';
import { isUffdWp, maybeMkWrite, mkPte, pteMapLock, ptlOf, readPte, setPte } from '../pagetable/pte.ts';
import { folioAddLruVma } from '../reclaim/mlockFolio.ts';
import { vmfAnonPrepare } from '../rmap/anonVma.ts';
import { addNewAnonRmap } from '../rmap/rmap.ts';
import { addFileRmap } from '../rmap/rmapFile.ts';
import { arePtesNone, doSetPmd, entriesToSet } from '../thp/fileHugeFault.ts';
import { VM_SHARED, VM_UFFD_MINOR, VM_UFFD_WP } from '../vma/vmFlags.ts';
import {
  FAULT_FLAG_WRITE,
  VM_FAULT_ERROR,
  VM_FAULT_FALLBACK,
  VM_FAULT_LOCKED,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  type VmFault,
} from './faultTypes.ts';
import { doFaultAround } from './filemapFault.ts';

/** These end a fault without a page. */
const NO_PAGE = VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY;

const fileOf = ({ vma }: VmFault): File => vma.file!;

/** do_fault(): VM_FAULT bits. */
export function* doFault(vmf: VmFault): Steps<number> {
  if ((vmf.flags & FAULT_FLAG_WRITE) === 0) return yield* doReadFault(vmf);
  if ((vmf.vma.flags & VM_SHARED) === 0) return yield* doCowFault(vmf);
  return yield* doSharedFault(vmf);
}

/** do_read_fault(). */
function* doReadFault(vmf: VmFault): Steps<number> {
  const { host } = vmf.vma.mm;
  // should_fault_around(): not where somebody wants to hear of each page.
  const maySpread = (vmf.vma.flags & (VM_UFFD_WP | VM_UFFD_MINOR)) === 0;
  const around = maySpread ? yield* doFaultAround(vmf) : 0;
  if (around !== 0) return around;
  const found = yield* fileOf(vmf).mapping.ops.fault(vmf);
  if ((found & NO_PAGE) !== 0) return found;
  const page = vmf.page as Pfn;
  const result = found | (yield* finishFault(vmf, page, false));
  yield* unlock(host, page);
  if ((result & NO_PAGE) !== 0) yield* putPage(host, page);
  return result & ~VM_FAULT_LOCKED;
}

/** do_cow_fault(): a store to a private mapping: a copy at once. */
function* doCowFault(vmf: VmFault): Steps<number> {
  const { mm } = vmf.vma;
  const { host } = mm;
  const prepared = yield* vmfAnonPrepare(vmf);
  if (prepared !== 0) return prepared;
  const copy = yield* allocAnonPage(host, mm);
  if (copy === null) return VM_FAULT_OOM;
  const found = yield* fileOf(vmf).mapping.ops.fault(vmf);
  if ((found & NO_PAGE) !== 0) {
    yield* folioPut(host, copy);
    return found;
  }
  const page = vmf.page as Pfn;
  if (points.on) yield at.page(page);
  host.memory.copyFrame(copy, page);
  if (points.on) yield at.page(copy);
  host.frames.set(copy, PG_uptodate);
  const result = found | (yield* finishFault(vmf, copy, true));
  yield* unlock(host, page);
  yield* putPage(host, page);
  if ((result & NO_PAGE) !== 0) yield* folioPut(host, copy);
  return result & ~VM_FAULT_LOCKED;
}

/** do_shared_fault(): a store to a shared mapping. */
function* doSharedFault(vmf: VmFault): Steps<number> {
  const { host } = vmf.vma.mm;
  const { ops } = fileOf(vmf).mapping;
  const found = yield* ops.fault(vmf);
  if ((found & NO_PAGE) !== 0) return found;
  const page = vmf.page as Pfn;
  if (ops.pageMkwrite !== null) {
    yield* unlock(host, page);
    const asked = yield* ops.pageMkwrite(vmf);
    if ((asked & VM_FAULT_LOCKED) === 0) {
      yield* putPage(host, page);
      return asked;
    }
  }
  const result = found | (yield* finishFault(vmf, page, false));
  if ((result & NO_PAGE) !== 0) {
    yield* unlock(host, page);
    yield* putPage(host, page);
    return result & ~VM_FAULT_LOCKED;
  }
  yield* faultDirtySharedPage(vmf, page);
  return result & ~VM_FAULT_LOCKED;
}

/** Of a page: its folio. */
function* unlock(host: Host, page: Pfn): Steps {
  const folio = host.frames.folioOf(page);
  if (points.on) yield at.page(folio);
  host.folioLocks.unlock(folio);
}

/**
 * finish_fault(): the entry takes over the reference, be it of 2 MiB or of one page; VM_FAULT_NOPAGE when somebody else
 * made one. Of a large folio all pages are mapped if they can.
 */
function* finishFault(vmf: VmFault, page: Pfn, isCopy: boolean): Steps<number> {
  const { vma, address } = vmf;
  const { mm } = vma;
  const { frames } = mm.host;
  const folio = frames.folioOf(page);
  if (vmf.ptep === 0) {
    const result = yield* doSetPmd(vmf, folio, (vmf.flags & FAULT_FLAG_WRITE) !== 0);
    if (result !== VM_FAULT_FALLBACK) return result;
    vmf.ptep = yield* allocPte(mm, address);
  }
  if (vmf.ptep <= 0) return noPteResult(vmf.ptep);
  const { first, pages } = entriesToSet(vma, address, folio, page);
  if (!(yield* pteMapLock(mm, address, vmf.ptep))) return VM_FAULT_NOPAGE;
  if (points.on) yield at.pte(vmf.ptep);
  const isNone = readPte(mm.host, vmf.ptep) === 0;
  // check_stable_address_space().
  const isLost = isNone && mm.unstable && (vma.flags & VM_SHARED) === 0;
  const sets = isNone && !isLost;
  const setsAll =
    sets && pages > 1 && (yield* arePtesNone(vma, (vmf.ptep + first * PTE_BYTES) as Hpa, pages));
  if (setsAll) {
    if (points.on) yield at.page(folio);
    frames.getMany(folio, pages - 1);
    for (let i = first; i < first + pages; i++) yield* setPteOf(vmf, (page + i) as Pfn, i, false);
  } else if (sets) yield* setPteOf(vmf, page, 0, isCopy);
  yield* ptlOf(mm.host, vmf.ptep).unlock();
  if (isLost) return VM_FAULT_SIGBUS;
  return isNone ? 0 : VM_FAULT_NOPAGE;
}

/** set_pte_range() of one page, whose entry is `offset` entries from the one that faulted: under the page table lock. */
function* setPteOf(vmf: VmFault, page: Pfn, offset: number, isCopy: boolean): Steps {
  const { vma, address, flags } = vmf;
  const { mm } = vma;
  const ptep = (vmf.ptep + offset * PTE_BYTES) as Hpa;
  if (isCopy) {
    mm.anonPages++;
    if (points.on) yield at.page(page);
    addNewAnonRmap(vma, page, address, true);
    yield* folioAddLruVma(vma, page);
  } else yield* addFileRmap(vma, page);
  const entry = mkPte(page, vma);
  if (points.on) yield at.pte(ptep);
  const set = (flags & FAULT_FLAG_WRITE) !== 0 ? maybeMkWrite(entry, vma) : entry;
  // After a marker: the store that made the fault is heard of when it is tried again.
  setPte(mm.host, ptep, isUffdWp(mm.host, ptep) ? set & ~PTE_W : set);
}

/** fault_dirty_shared_page(): the page is locked; not any more on return. */
function* faultDirtySharedPage(vmf: VmFault, page: Pfn): Steps {
  const { mapping } = fileOf(vmf);
  const { host } = mapping;
  const folio = host.frames.folioOf(page);
  if (points.on) yield at.page(folio);
  folioMarkDirty(host, folio);
  host.folioLocks.unlock(folio);
  if (mapping.canWriteback) yield* balanceDirtyPages(host);
}

/** wp_page_shared(): the PTE is vmf.origPte, and `ptl`, which is held, is released here. */
export function* wpPageShared(vmf: VmFault, ptl: Mutex, page: Pfn): Steps<number> {
  const { host } = vmf.vma.mm;
  const { pageMkwrite } = fileOf(vmf).mapping.ops;
  const folio = host.frames.folioOf(page);
  if (points.on) yield at.page(folio);
  host.frames.get(folio);
  vmf.page = page;
  if (pageMkwrite === null) {
    yield* wpPageReuse(vmf);
    yield* ptl.unlock();
    yield* host.folioLocks.lock(folio);
  } else {
    yield* ptl.unlock();
    const asked = yield* pageMkwrite(vmf);
    if ((asked & VM_FAULT_LOCKED) === 0 || !(yield* finishMkwriteFault(vmf, ptl))) {
      if ((asked & VM_FAULT_LOCKED) !== 0) yield* unlock(host, page);
      yield* folioPut(host, folio);
      return asked & ~VM_FAULT_LOCKED;
    }
  }
  yield* faultDirtySharedPage(vmf, page);
  yield* putPage(host, page);
  return 0;
}

/** wp_page_reuse(): under the page table lock. */
function* wpPageReuse(vmf: VmFault): Steps {
  const { host } = vmf.vma.mm;
  host.vmstat.pgreuse++;
  if (points.on) yield at.pte(vmf.ptep);
  setPte(host, vmf.ptep, maybeMkWrite(vmf.origPte | PTE_A, vmf.vma));
}

/** finish_mkwrite_fault(): false when the entry has changed meanwhile. */
function* finishMkwriteFault(vmf: VmFault, ptl: Mutex): Steps<boolean> {
  if (!(yield* pteMapLock(vmf.vma.mm, vmf.address, vmf.ptep))) return false;
  if (points.on) yield at.pte(vmf.ptep);
  const same = readPte(vmf.vma.mm.host, vmf.ptep) === vmf.origPte;
  if (same) yield* wpPageReuse(vmf);
  yield* ptl.unlock();
  return same;
}
