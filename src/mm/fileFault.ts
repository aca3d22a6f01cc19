// Faults of file and shmem mappings: where nothing is mapped yet, and stores to shared pages that are read-only
// (mm/memory.c: do_fault, wp_page_shared).
//
// fault.ts and copyOnWrite.ts come here. The kind of file says where the page is (ops.fault); it is then mapped, or
// copied for a private mapping that is written to. A file with a disk is asked before a page becomes writable
// (page_mkwrite), and the page is dirty from then on.
//
// Invariants: the entry is re-checked under the page table lock after every sleep; none -> present and upgrades are
// not notified. Locks: as fault.ts; then folio lock, page table lock.

import { PTE_A } from '../hw/sv39/index.ts';
import { at, type Mutex, points, type Steps } from '../sched/index.ts';
import type { Pfn } from '../units.ts';
import { vmfAnonPrepare } from './anonVma.ts';
import {
  FAULT_FLAG_WRITE,
  VM_FAULT_ERROR,
  VM_FAULT_LOCKED,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  type VmFault,
} from './faultTypes.ts';
import type { File } from './file.ts';
import { doFaultAround } from './filemapFault.ts';
import { folioMarkDirty, folioPut } from './folio.ts';
import { PG_uptodate } from './frames.ts';
import type { Host } from './host.ts';
import { folioAddLruVma } from './mlockFolio.ts';
import { allocAnonPage } from './pageAlloc.ts';
import { allocPte, noPteResult } from './pageTable.ts';
import { maybeMkWrite, mkPte, ptlOf, readPte, setPte } from './pte.ts';
import { addNewAnonRmap } from './rmap.ts';
import { addFileRmap } from './rmapFile.ts';
import { VM_SHARED } from './vmFlags.ts';
import { balanceDirtyPages } from './writeback.ts';

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
  const around = yield* doFaultAround(vmf);
  if (around !== 0) return around;
  const found = yield* fileOf(vmf).mapping.ops.fault(vmf);
  if ((found & NO_PAGE) !== 0) return found;
  const page = vmf.page as Pfn;
  const result = found | (yield* finishFault(vmf, page, false));
  yield* unlock(host, page);
  if ((result & NO_PAGE) !== 0) yield* folioPut(host, page);
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
  yield* folioPut(host, page);
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
      yield* folioPut(host, page);
      return asked;
    }
  }
  const result = found | (yield* finishFault(vmf, page, false));
  if ((result & NO_PAGE) !== 0) {
    yield* unlock(host, page);
    yield* folioPut(host, page);
    return result & ~VM_FAULT_LOCKED;
  }
  yield* faultDirtySharedPage(vmf, page);
  return result & ~VM_FAULT_LOCKED;
}

function* unlock(host: Host, pfn: Pfn): Steps {
  if (points.on) yield at.page(pfn);
  host.folioLocks.unlock(pfn);
}

/** finish_fault(): the entry takes over the reference; VM_FAULT_NOPAGE when somebody else made one. */
function* finishFault(vmf: VmFault, pfn: Pfn, isCopy: boolean): Steps<number> {
  const { vma } = vmf;
  const { mm } = vma;
  if (vmf.ptep === 0) vmf.ptep = yield* allocPte(mm, vmf.address);
  if (vmf.ptep <= 0) return noPteResult(vmf.ptep);
  const ptl = ptlOf(mm.host, vmf.ptep);
  yield* ptl.lock();
  if (points.on) yield at.pte(vmf.ptep);
  const isNone = readPte(mm.host, vmf.ptep) === 0;
  // check_stable_address_space().
  const isLost = isNone && mm.unstable && (vma.flags & VM_SHARED) === 0;
  if (isNone && !isLost) yield* setPteRange(vmf, pfn, isCopy);
  yield* ptl.unlock();
  if (isLost) return VM_FAULT_SIGBUS;
  return isNone ? 0 : VM_FAULT_NOPAGE;
}

/** set_pte_range() of one page: under the page table lock. */
function* setPteRange(vmf: VmFault, pfn: Pfn, isCopy: boolean): Steps {
  const { vma, address, ptep, flags } = vmf;
  const { mm } = vma;
  const { host } = mm;
  if (isCopy) {
    mm.anonPages++;
    yield* addNewAnonRmap(vma, pfn, address, true);
    yield* folioAddLruVma(vma, pfn);
  } else yield* addFileRmap(vma, pfn);
  const entry = mkPte(pfn, vma);
  if (points.on) yield at.pte(ptep);
  setPte(host, ptep, (flags & FAULT_FLAG_WRITE) !== 0 ? maybeMkWrite(entry, vma) : entry);
}

/** fault_dirty_shared_page(): the page is locked; not any more on return. */
function* faultDirtySharedPage(vmf: VmFault, pfn: Pfn): Steps {
  const { mapping } = fileOf(vmf);
  const { host } = mapping;
  if (points.on) yield at.page(pfn);
  folioMarkDirty(host, pfn);
  host.folioLocks.unlock(pfn);
  if (mapping.canWriteback) yield* balanceDirtyPages(host);
}

/** wp_page_shared(): the PTE is vmf.origPte, and `ptl`, which is held, is released here. */
export function* wpPageShared(vmf: VmFault, ptl: Mutex, pfn: Pfn): Steps<number> {
  const { host } = vmf.vma.mm;
  const { pageMkwrite } = fileOf(vmf).mapping.ops;
  if (points.on) yield at.page(pfn);
  host.frames.get(pfn);
  vmf.page = pfn;
  if (pageMkwrite === null) {
    yield* wpPageReuse(vmf);
    yield* ptl.unlock();
    yield* host.folioLocks.lock(pfn);
  } else {
    yield* ptl.unlock();
    const asked = yield* pageMkwrite(vmf);
    if ((asked & VM_FAULT_LOCKED) === 0 || !(yield* finishMkwriteFault(vmf, ptl))) {
      if ((asked & VM_FAULT_LOCKED) !== 0) yield* unlock(host, pfn);
      yield* folioPut(host, pfn);
      return asked & ~VM_FAULT_LOCKED;
    }
  }
  yield* faultDirtySharedPage(vmf, pfn);
  yield* folioPut(host, pfn);
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
  yield* ptl.lock();
  if (points.on) yield at.pte(vmf.ptep);
  const same = readPte(vmf.vma.mm.host, vmf.ptep) === vmf.origPte;
  if (same) yield* wpPageReuse(vmf);
  yield* ptl.unlock();
  return same;
}
