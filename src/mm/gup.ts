// get_user_pages() for one page: how kvm and other drivers get at a process's memory (mm/gup.c).
//
// Walks the process's tables and faults in what is missing, then takes a reference, so that the frame stays what it is
// until putPage(). A reference does not keep the page mapped: that is what notifiers are for.
//
// Invariant: the reference is taken under the page table lock, while the PTE still says so.
// Locks: takes mmap_lock for read; may sleep.

import { isPresent, PTE_D, PTE_W, ptePfn } from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { Errno, type Hva, type Pfn } from '../units.ts';
import { handleMmFault } from './fault.ts';
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_WRITE,
  faultErrno,
  VM_FAULT_ERROR,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
} from './faultTypes.ts';
import { folioMarkAccessed, folioMarkDirty } from './folio.ts';
import { PG_dirty } from './frames.ts';
import type { Mm } from './mmStruct.ts';
import { findPte, ptlOf, readPte } from './pte.ts';
import { isAccessError, type Vma } from './vma.ts';

/**
 * get_user_pages_unlocked(): the frame behind `address`, with a reference for the caller, as a positive pfn; or -EFAULT
 * (no VMA, or it does not permit the access), -ENOMEM (out of memory, or chosen by the OOM killer), -EIO (a swap slot
 * could not be read: mm.swapError). host.gup.writable then says whether the PTE permits writes.
 */
export function* getUserPage(mm: Mm, address: Hva, write: boolean): Steps<number> {
  let flags = FAULT_FLAG_ALLOW_RETRY | (write ? FAULT_FLAG_WRITE : 0);
  for (;;) {
    if (mm.killed) return -Errno.ENOMEM;
    yield* mm.host.locks.mmapReadLock(mm);
    const pte = yield* getPageLocked(mm, address, flags);
    if (pte === RETRY) {
      flags |= FAULT_FLAG_TRIED;
      continue;
    }
    yield* mm.host.locks.mmapReadUnlock(mm);
    if (pte < 0) return pte;
    mm.host.gup.writable = (pte & PTE_W) !== 0;
    return ptePfn(pte);
  }
}

/** mmap_lock was dropped on the way: 0, which no present PTE is. */
const RETRY = 0;

/** __get_user_pages(): the PTE whose page was taken, -errno, or RETRY. */
function* getPageLocked(mm: Mm, address: Hva, flags: number): Steps<number> {
  const write = (flags & FAULT_FLAG_WRITE) !== 0;
  if (points.on) yield at.list(mm.vmas.id);
  const vma = mm.vmas.find(address);
  if (vma === null || isAccessError(vma, write)) return -Errno.EFAULT;
  for (;;) {
    const pte = yield* followPage(vma, address, write, true);
    if (pte !== 0) return pte;
    if (mm.killed) return -Errno.ENOMEM;
    const result = yield* handleMmFault(vma, address, flags);
    if ((result & VM_FAULT_RETRY) !== 0) return RETRY;
    if ((result & VM_FAULT_ERROR) !== 0) return faultErrno(mm, result);
  }
}

/** Answer of faultInPage(): a page was waited for with mmap_lock dropped; look the VMA up again. */
export const LOCK_DROPPED = 1;

/**
 * One page of populate_vma_page_range(): `vma` has it and permits the access, mmap_lock is held for read. 0, -errno, or
 * LOCK_DROPPED.
 */
export function* faultInPage(vma: Vma, address: Hva, write: boolean, tried: boolean): Steps<number> {
  const { mm } = vma;
  const flags = FAULT_FLAG_ALLOW_RETRY | (write ? FAULT_FLAG_WRITE : 0) | (tried ? FAULT_FLAG_TRIED : 0);
  for (;;) {
    if ((yield* followPage(vma, address, write, false)) !== 0) return 0;
    if (mm.killed) return -Errno.ENOMEM;
    const result = yield* handleMmFault(vma, address, flags);
    if ((result & VM_FAULT_RETRY) !== 0) return LOCK_DROPPED;
    if ((result & VM_FAULT_SIGBUS) !== 0) return -Errno.EFAULT;
    if ((result & VM_FAULT_ERROR) !== 0) return -Errno.ENOMEM;
  }
}

/** follow_page_pte() with FOLL_TOUCH, and FOLL_GET if `takes`: the PTE, or 0 when a fault is needed. */
function* followPage(vma: Vma, address: Hva, write: boolean, takes: boolean): Steps<number> {
  const { mm } = vma;
  const { host } = mm;
  if (points.on) yield at.list(mm.pageTableLock.id);
  const ptep = findPte(mm, address);
  if (ptep === 0) return 0;
  const ptl = ptlOf(host, ptep);
  yield* ptl.lock();
  if (points.on) yield at.pte(ptep);
  const pte = readPte(host, ptep);
  const usable = isPresent(pte) && (!write || (pte & PTE_W) !== 0);
  if (usable) {
    const pfn = ptePfn(pte);
    if (points.on) yield at.page(pfn);
    if (takes) host.frames.get(pfn);
    touch(mm, pfn, write && (pte & PTE_D) === 0);
  }
  yield* ptl.unlock();
  return usable ? pte : 0;
}

function touch({ host }: Mm, pfn: Pfn, dirties: boolean): void {
  if (pfn === host.zeroPfn) return;
  if (dirties && !host.frames.test(pfn, PG_dirty)) folioMarkDirty(host, pfn);
  folioMarkAccessed(host, pfn);
}
