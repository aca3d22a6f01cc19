// mlock(), mlock2() and munlock() (mm/mlock.c).
//
// Locked memory is faulted in and stays; with MLOCK_ONFAULT it stays once it was faulted in. The VMAs are flagged, split
// and merged here, and what they map already is locked or unlocked; rmap.ts does so with what is mapped and unmapped
// later, by the flag. mlockFolio.ts keeps locked folios out of reclaim's way.
//
// Locks: mmap_lock for write for the flags; then as populate.ts.

import { ptePfn } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import {
  Errno,
  type Hpa,
  type Hva,
  PAGE_SIZE,
  type Pfn,
  pageAlignDown,
  pageAlignUp,
  pageOffset,
} from '../../units.ts';
import type { Host } from '../host.ts';
import { walkPtes } from '../pagetable/pagewalk.ts';
import { pmdTransHugeLock } from '../pagetable/pmd.ts';
import { isPresentPte, normalPfn, readPte } from '../pagetable/pte.ts';
import { mlockFolio, munlockFolio } from '../reclaim/mlockFolio.ts';
import type { Mm } from './mmStruct.ts';
import { mmPopulateStrictly } from './populate.ts';
import type { Vma } from './vma.ts';
import { vmaModifyFlags } from './vmaMerge.ts';
import { VM_IO, VM_LOCKED, VM_LOCKED_MASK, VM_LOCKONFAULT } from './vmFlags.ts';

export const MLOCK_ONFAULT = 1;

/** mlock2(2): 0, -ENOMEM (a hole, or more than the process may lock), -EAGAIN (pages could not be had), -EINVAL. */
export function* mlock(mm: Mm, start: Hva, length: number, flags: number): Steps<number> {
  if ((flags & ~MLOCK_ONFAULT) !== 0) return -Errno.EINVAL;
  const first = pageAlignDown(start) as Hva;
  const bytes = pageAlignUp(length + pageOffset(start));
  if (mm.lockedVm + bytes / PAGE_SIZE > mm.limits.memlock) return -Errno.ENOMEM;
  const vmFlags = VM_LOCKED | ((flags & MLOCK_ONFAULT) !== 0 ? VM_LOCKONFAULT : 0);
  yield* mm.mmapWriteLock();
  const error = yield* applyVmaLockFlags(mm, first, bytes, vmFlags);
  yield* mm.mmapWriteUnlock();
  if (error !== 0) return error;
  const populated = yield* mmPopulateStrictly(mm, first, bytes);
  // __mlock_posix_error_return().
  if (populated === -Errno.EFAULT) return -Errno.ENOMEM;
  return populated === -Errno.ENOMEM ? -Errno.EAGAIN : populated;
}

/** munlock(2): 0 or -ENOMEM (a hole). */
export function* munlock(mm: Mm, start: Hva, length: number): Steps<number> {
  const bytes = pageAlignUp(length + pageOffset(start));
  yield* mm.mmapWriteLock();
  const error = yield* applyVmaLockFlags(mm, pageAlignDown(start) as Hva, bytes, 0);
  yield* mm.mmapWriteUnlock();
  return error;
}

/** apply_vma_lock_flags(): up to the first hole. */
function* applyVmaLockFlags(mm: Mm, start: Hva, bytes: number, lockFlags: number): Steps<number> {
  const end = (start + bytes) as Hva;
  let address = start;
  while (address < end) {
    if (points.on) yield at.list(mm.vmas.id);
    const vma = mm.vmas.find(address);
    if (vma === null) return -Errno.ENOMEM;
    const locked = yield* mlockFixup(vma, address, Math.min(vma.end, end) as Hva, lockFlags);
    if (typeof locked === 'number') return locked;
    address = locked.end;
  }
  return 0;
}

/** mlock_fixup(): the VMA that the range is in afterwards, or -errno. */
function* mlockFixup(vma: Vma, start: Hva, end: Hva, lockFlags: number): Steps<Vma | number> {
  const { mm } = vma;
  const oldFlags = vma.flags;
  const flags = (oldFlags & ~VM_LOCKED_MASK) | lockFlags;
  if (flags === oldFlags) return vma;
  const changed = yield* vmaModifyFlags(vma, start, end, flags);
  if (typeof changed === 'number') return changed;
  const pages = (end - start) / PAGE_SIZE;
  mm.lockedVm += pages * (Number((flags & VM_LOCKED) !== 0) - Number((oldFlags & VM_LOCKED) !== 0));
  yield* mm.host.locks.vmaStartWrite(mm, changed);
  // Locked already: to lock the pages twice would be wrong.
  if ((oldFlags & flags & VM_LOCKED) !== 0) changed.flags = flags;
  else yield* mlockVmaPagesRange(changed, start, end, flags);
  return changed;
}

/**
 * mlock_vma_pages_range(): gives the VMA its flags, then locks or unlocks what it maps in [start, end). Meanwhile
 * migration may map pages, and reclaim look at some: VM_IO keeps them from counting what is counted here.
 */
function* mlockVmaPagesRange(vma: Vma, start: Hva, end: Hva, flags: number): Steps {
  const locks = (flags & VM_LOCKED) !== 0;
  vma.flags = locks ? flags | VM_IO : flags;
  yield* walkPtes(
    vma,
    start,
    end,
    false,
    (ptep) => mlockPte(vma.mm.host, ptep, locks),
    (pmdp) => mlockPmd(vma.mm, pmdp, locks),
  );
  vma.flags = flags;
}

/** One entry of mlock_pte_range(). */
function* mlockPte(host: Host, ptep: Hpa, locks: boolean): Steps {
  if (points.on) yield at.pte(ptep);
  const pte = readPte(host, ptep);
  const pfn = (isPresentPte(pte) ? normalPfn(pte) : 0) as Pfn;
  // A large folio that is mapped page by page is locked by reclaim, if all of it is (referenced.ts).
  if (pfn === 0 || (locks && host.frames.order[pfn] !== 0)) return;
  yield* changeFolio(host, host.frames.folioOf(pfn), locks);
}

/** mlock_pte_range() of a huge PMD. */
function* mlockPmd(mm: Mm, pmdp: Hpa, locks: boolean): Steps<boolean> {
  if (!(yield* pmdTransHugeLock(mm, pmdp))) return false;
  if (points.on) yield at.pte(pmdp);
  yield* changeFolio(mm.host, ptePfn(readPte(mm.host, pmdp)), locks);
  yield* mm.pageTableLock.unlock();
  return true;
}

const changeFolio = (host: Host, folio: Pfn, locks: boolean): Steps =>
  locks ? mlockFolio(host, folio) : munlockFolio(host, folio);
