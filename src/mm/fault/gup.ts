// get_user_pages() for one page: how kvm and other drivers get at a process's memory (mm/gup.c).
//
// Walks the process's tables and faults in what is missing, then takes a reference, so that the frame stays what it is
// until putPage(). A reference does not keep the page mapped: that is what notifiers are for. A pin does more: reclaim
// leaves the page alone, and fork gives the child a copy at once.
//
// Invariant: the reference is taken under the page table lock, while the PTE still says so.
// Locks: takes mmap_lock for read; may sleep.

import { isPresent, PTE_A, PTE_D, PTE_W, ptePfn } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hpa, type Hva, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioMarkAccessed, folioMarkDirty, freeFolio } from '../page/folio.ts';
import { PG_dirty } from '../page/frames.ts';
import { findHugePmd, pmdTransHugeLock, pteOfPmd } from '../pagetable/pmd.ts';
import { findPte, isStillMapped, PTE_SOFT_DIRTY, ptlOf, readPte, setPte } from '../pagetable/pte.ts';
import { isAnonFolio } from '../rmap/rmapFile.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { isAccessError, type Vma } from '../vma/vma.ts';
import { handleMmFault } from './fault.ts';
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_WRITE,
  faultErrno,
  VM_FAULT_ERROR,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
} from './faultTypes.ts';

/** What is taken of a page: nothing, a reference (FOLL_GET), or a pin (FOLL_PIN). */
type Take = 'none' | 'get' | 'pin';

/**
 * get_user_pages_unlocked(): the frame behind `address`, with a reference for the caller, as a positive pfn; or -EFAULT
 * (no VMA, or it does not permit the access), -ENOMEM (out of memory, or chosen by the OOM killer), -EIO (a swap slot
 * could not be read: mm.swapError). host.gup.writable then says whether the PTE permits writes.
 */
export const getUserPage = (mm: Mm, address: Hva, write: boolean): Steps<number> =>
  takeUserPage(mm, address, write, 'get');

/**
 * pin_user_pages_unlocked(): as getUserPage(), for whoever is going to access the frame himself. Until
 * unpinUserPage() the process and the caller have the same page, whatever is forked, swapped or written meanwhile.
 */
export function* pinUserPage(mm: Mm, address: Hva, write: boolean): Steps<number> {
  mm.hasPinned = true;
  return yield* takeUserPage(mm, address, write, 'pin');
}

/** unpin_user_pages_dirty_lock(): `dirty` if the caller wrote to the frame. */
export function* unpinUserPage(host: Host, pfn: Pfn, dirty: boolean): Steps {
  // Nobody pins the zero page: it is not going anywhere.
  if (pfn === host.zeroPfn) return;
  const folio = host.frames.folioOf(pfn);
  if (points.on) yield at.page(folio);
  if (dirty) folioMarkDirty(host, folio);
  if (host.frames.unpinTestZero(folio)) yield* freeFolio(host, folio);
}

function* takeUserPage(mm: Mm, address: Hva, write: boolean, take: Take): Steps<number> {
  let flags = FAULT_FLAG_ALLOW_RETRY | (write ? FAULT_FLAG_WRITE : 0);
  for (;;) {
    if (mm.killed) return -Errno.ENOMEM;
    yield* mm.host.locks.mmapReadLock(mm);
    const pte = yield* takePageLocked(mm, address, flags, take);
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
/** The page is shared, and who pins it needs one of his own: no PTE is negative. */
const MUST_UNSHARE = -1;

/** __get_user_pages(): the PTE whose page was taken, -errno, or RETRY. */
function* takePageLocked(mm: Mm, address: Hva, flags: number, take: Take): Steps<number> {
  const write = (flags & FAULT_FLAG_WRITE) !== 0;
  if (points.on) yield at.list(mm.vmas.id);
  const vma = mm.vmas.find(address);
  if (vma === null || isAccessError(vma, write)) return -Errno.EFAULT;
  for (;;) {
    const pte = yield* followPage(vma, address, write, take);
    if (pte > 0) return pte;
    if (mm.killed) return -Errno.ENOMEM;
    const result = yield* handleMmFault(
      vma,
      address,
      flags | (pte === MUST_UNSHARE ? FAULT_FLAG_UNSHARE : 0),
    );
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
    if ((yield* followPage(vma, address, write, 'none')) > 0) return 0;
    if (mm.killed) return -Errno.ENOMEM;
    const result = yield* handleMmFault(vma, address, flags);
    if ((result & VM_FAULT_RETRY) !== 0) return LOCK_DROPPED;
    if ((result & VM_FAULT_SIGBUS) !== 0) return -Errno.EFAULT;
    if ((result & VM_FAULT_ERROR) !== 0) return -Errno.ENOMEM;
  }
}

/** follow_page_pte() with FOLL_TOUCH: the PTE, 0 when a fault is needed, or MUST_UNSHARE. */
function* followPage(vma: Vma, address: Hva, write: boolean, take: Take): Steps<number> {
  const { mm } = vma;
  const { host } = mm;
  if (points.on) yield at.list(mm.pageTableLock.id);
  const ptep = findPte(mm, address);
  if (ptep === 0) return yield* followHugePmd(mm, address, write, take);
  const ptl = ptlOf(host, ptep);
  if (points.on) yield at.lock(ptl);
  if (!ptl.take()) yield* ptl.wait();
  if (points.on) yield at.pte(ptep);
  // pte_offset_map_lock() fails where the table is gone.
  const pte = isStillMapped(mm, address, ptep) ? readPte(host, ptep) : 0;
  let answer = 0;
  if (isPresent(pte) && (!write || (pte & PTE_W) !== 0)) {
    const page = ptePfn(pte);
    const pfn = host.frames.folioOf(page);
    if (points.on) yield at.page(pfn);
    const isExclusive = host.frames.isAnonExclusive(pfn, page);
    const dirties = write && (pte & PTE_D) === 0;
    answer = touch(host, pfn, isExclusive, take, write, dirties) ? pte : MUST_UNSHARE;
  }
  if (points.on) yield at.lock(ptl);
  ptl.release();
  return answer;
}

/** follow_huge_pmd(): as followPage(), where no table is; the PTE is the one that the entry stands for. */
function* followHugePmd(mm: Mm, address: Hva, write: boolean, take: Take): Steps<number> {
  const { host } = mm;
  if (points.on) yield at.list(mm.pageTableLock.id);
  const pmdp = findHugePmd(mm, address);
  if (pmdp === 0 || !(yield* pmdTransHugeLock(mm, pmdp))) return 0;
  if (points.on) yield at.pte(pmdp);
  const pmd = readPte(host, pmdp);
  let answer = 0;
  if (isPresent(pmd) && (!write || (pmd & PTE_W) !== 0)) {
    const folio = ptePfn(pmd);
    if (points.on) yield at.page(folio);
    const isExclusive = host.frames.isAnonExclusive(folio, folio);
    const grabbed = grab(host, folio, isExclusive, take, write);
    answer = grabbed ? pteOfPmd(pmd, address) : MUST_UNSHARE;
    if (grabbed) yield* touchPmd(host, pmdp, write);
  }
  yield* mm.pageTableLock.unlock();
  return answer;
}

/** touch_pmd(): the folio hears of it from the entry. */
function* touchPmd(host: Host, pmdp: Hpa, write: boolean): Steps {
  if (points.on) yield at.pte(pmdp);
  setPte(host, pmdp, readPte(host, pmdp) | PTE_A | (write ? PTE_D | PTE_SOFT_DIRTY : 0));
}

/** grab(), and the marks of an access to a page that an entry of a table maps. One step. */
function touch(
  host: Host,
  pfn: Pfn,
  isExclusive: boolean,
  take: Take,
  write: boolean,
  dirties: boolean,
): boolean {
  if (!grab(host, pfn, isExclusive, take, write)) return false;
  if (pfn === host.zeroPfn) return true;
  if (dirties && !host.frames.test(pfn, PG_dirty)) folioMarkDirty(host, pfn);
  folioMarkAccessed(host, pfn);
  return true;
}

/** try_grab_folio(); false: the page must be unshared first (gup_must_unshare()). One step. */
function grab(host: Host, pfn: Pfn, isExclusive: boolean, take: Take, write: boolean): boolean {
  const { frames } = host;
  const isShared = isAnonFolio(host, pfn) && !isExclusive;
  if (take === 'pin' && !write && isShared) return false;
  if (take === 'get') frames.get(pfn);
  else if (take === 'pin' && pfn !== host.zeroPfn) frames.pin(pfn);
  return true;
}
