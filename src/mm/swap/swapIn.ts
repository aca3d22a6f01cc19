// Faults on swap entries (mm/memory.c: do_swap_page).
//
// fault.ts comes here; the folio is found in the swap cache or read into it (a major fault), locked, and mapped again:
// writable at once if the page was this mm's alone. The slot is given back with the entry; the page keeps its place in
// the swap cache until somebody writes to it or wants the slot, so that it can be dropped again without I/O.
//
// Invariants: the entry is re-checked under the page table lock after every sleep; none -> present is not notified.
// Locks: as fault.ts; then folio lock, page table lock.

import { PTE_D, PTE_W } from '../../hw/sv39/index.ts';
import { at, type Mutex, points, type Steps } from '../../sched/index.ts';
import { Errno, type Pfn, type SwapSlot } from '../../units.ts';
import { doWpPage } from '../fault/copyOnWrite.ts';
import { folioLockOrRetry } from '../fault/faultLock.ts';
import {
  FAULT_FLAG_WRITE,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  type VmFault,
} from '../fault/faultTypes.ts';
import type { Host } from '../host.ts';
import { copyOfMerged, needsCopyOfMerged } from '../ksm/ksmCopy.ts';
import { countMajorFault, memCgroupSwapFull } from '../memcg/memcontrol.ts';
import { folioPut, folioUnlockPut } from '../page/folio.ts';
import { PG_ksm, PG_readahead, PG_swapcache, PG_uptodate } from '../page/frames.ts';
import {
  isSoftDirty,
  isSwapPteExclusive,
  isUffdWp,
  mkPte,
  mkSoftDirty,
  needsSoftDirtyWp,
  PTE_SOFT_DIRTY,
  ptlOf,
  readPte,
  setPte,
  swapPteSlot,
} from '../pagetable/pte.ts';
import { folioAddLruVma, isMlocking, mlockFolio } from '../reclaim/mlockFolio.ts';
import { addAnonRmap } from '../rmap/rmap.ts';
import { VM_WRITE } from '../vma/vmFlags.ts';
import { maySkipSwapCache, readPastSwapCache, unpinSlot } from './swapBypass.ts';
import { folioFreeSwap, swapCacheGetFolio, swapFree } from './swapCache.ts';
import { swapinReadahead } from './swapReadahead.ts';

/** do_swap_page(): VM_FAULT bits. */
export function* doSwapPage(vmf: VmFault): Steps<number> {
  const { mm } = vmf.vma;
  const { host } = mm;
  const slot = swapPteSlot(vmf.origPte);
  let pfn = yield* lookUp(host, slot);
  let major = 0;
  if (pfn === 0 && (yield* maySkipSwapCache(host, slot))) return yield* swapInPastCache(vmf, slot);
  if (pfn === 0) {
    const read = yield* swapinReadahead(host, mm, slot);
    if (read === null) return yield* backOut(vmf);
    if (read === 0) return yield* backOutLate(vmf);
    pfn = read;
    major = VM_FAULT_MAJOR;
    countMajorFault(host, mm);
  }
  if (!(yield* folioLockOrRetry(vmf, pfn as Pfn))) {
    yield* folioPut(host, pfn as Pfn);
    return major | VM_FAULT_RETRY;
  }
  return major | (yield* mapLocked(vmf, pfn as Pfn, slot));
}

/** The page is nobody's but this fault's, and its slot stays taken until the entry has gone. */
function* swapInPastCache(vmf: VmFault, slot: SwapSlot): Steps<number> {
  const { mm } = vmf.vma;
  const pfn = yield* readPastSwapCache(mm, slot);
  if (pfn <= 0) return pfn === 0 ? yield* backOut(vmf) : 0;
  countMajorFault(mm.host, mm);
  const result = yield* mapPage(vmf, pfn as Pfn, pfn as Pfn, slot);
  yield* unpinSlot(mm.host, slot);
  return VM_FAULT_MAJOR | result;
}

/** The folio in the swap cache, if any; tells readahead that it was right. */
function* lookUp(host: Host, slot: SwapSlot): Steps<number> {
  const pfn = yield* swapCacheGetFolio(host, slot);
  if (pfn === 0) return 0;
  if (points.on) yield at.page(pfn);
  if (host.frames.testAndClear(pfn as Pfn, PG_readahead)) {
    host.readahead.hit();
    host.vmstat.swap_ra_hit++;
  }
  return pfn;
}

/**
 * Nobody referred to the slot: who gave it back changes the entry before he unlocks it, and until then there is nothing to
 * be found. It has changed, even if it looks the same again by now.
 */
function* backOutLate(vmf: VmFault): Steps<number> {
  yield* backOut(vmf);
  return 0;
}

/** No folio: out of memory, unless somebody else faulted the page in meanwhile. */
function* backOut(vmf: VmFault): Steps<number> {
  const { host } = vmf.vma.mm;
  const ptl = ptlOf(host, vmf.ptep);
  yield* ptl.lock();
  if (points.on) yield at.pte(vmf.ptep);
  const same = readPte(host, vmf.ptep) === vmf.origPte;
  yield* ptl.unlock();
  return same ? VM_FAULT_OOM : 0;
}

/** The folio is locked and referenced; both end here, the reference in the PTE if all goes well. */
function* mapLocked(vmf: VmFault, pfn: Pfn, slot: SwapSlot): Steps<number> {
  const { host } = vmf.vma.mm;
  const { frames } = host;
  if (points.on) yield at.page(pfn);
  if (!frames.test(pfn, PG_swapcache) || frames.private[pfn] !== slot) {
    yield* folioUnlockPut(host, pfn);
    return 0;
  }
  const copies = yield* needsCopyOfMerged(vmf.vma, pfn, vmf.address);
  return yield* mapPage(vmf, copies ? yield* copyOfMerged(vmf.vma, pfn) : pfn, pfn, slot);
}

/** Maps `page`, which is `pfn` or a copy of it (null: there was no memory for that); `pfn` is locked and referenced. */
function* mapPage(vmf: VmFault, page: Pfn | null, pfn: Pfn, slot: SwapSlot): Steps<number> {
  const { host } = vmf.vma.mm;
  const ptl = ptlOf(host, vmf.ptep);
  yield* ptl.lock();
  const refused = page === null ? VM_FAULT_OOM : yield* refuse(vmf, pfn, slot);
  if (page !== null && refused === null) return yield* setPresent(vmf, page, pfn, slot, ptl);
  yield* ptl.unlock();
  if (page !== null && page !== pfn) yield* folioPut(host, page);
  yield* folioUnlockPut(host, pfn);
  return refused ?? 0;
}

/** Under the page table lock: what speaks against mapping the folio, or null. 0: somebody else did, or undid it. */
function* refuse(vmf: VmFault, pfn: Pfn, slot: SwapSlot): Steps<number | null> {
  const { mm } = vmf.vma;
  const { host } = mm;
  if (points.on) yield at.pte(vmf.ptep);
  if (readPte(host, vmf.ptep) !== vmf.origPte) return 0;
  if (points.on) yield at.page(pfn);
  if (host.frames.test(pfn, PG_uptodate)) return null;
  mm.swapError = { slot, errno: host.swapIo.readErrors.get(slot) ?? Errno.EIO };
  return VM_FAULT_SIGBUS;
}

/** `pfn` is the folio of the cache, or a copy of that, which nobody else knows. */
function* setPresent(vmf: VmFault, pfn: Pfn, cached: Pfn, slot: SwapSlot, ptl: Mutex): Steps<number> {
  const { vma, address } = vmf;
  const { mm } = vma;
  const { host } = mm;
  yield* swapFree(host, slot);
  if (yield* shouldTryToFreeSwap(host, vmf, cached)) yield* folioFreeSwap(host, cached);
  mm.anonPages++;
  mm.swapEntries--;
  if (points.on) yield at.page(pfn);
  const isNew = host.frames.mapping[pfn] === 0;
  const exclusive =
    !host.frames.test(pfn, PG_ksm) && (isSwapPteExclusive(vmf.origPte) || host.frames.count(pfn) === 1);
  let pte = isSoftDirty(vmf.origPte) ? mkSoftDirty(mkPte(pfn, vma)) : mkPte(pfn, vma);
  if (points.on) yield at.pte(vmf.ptep);
  const mayWrite = (vma.flags & VM_WRITE) !== 0 && !isUffdWp(host, vmf.ptep);
  if (exclusive && mayWrite && !needsSoftDirtyWp(vma, pte)) {
    pte |= PTE_W;
    if ((vmf.flags & FAULT_FLAG_WRITE) !== 0) {
      pte |= PTE_D | PTE_SOFT_DIRTY;
      vmf.flags &= ~FAULT_FLAG_WRITE;
    }
  }
  yield* addAnonRmap(vma, pfn, address, exclusive);
  if (pfn !== cached) yield* folioAddLruVma(vma, pfn);
  else if (isNew && isMlocking(vma)) yield* mlockFolio(host, pfn);
  if (points.on) yield at.pte(vmf.ptep);
  setPte(host, vmf.ptep, pte);
  vmf.origPte = pte;
  if (points.on) yield at.page(cached);
  host.folioLocks.unlock(cached);
  if (pfn !== cached) yield* folioPut(host, cached);
  if ((vmf.flags & FAULT_FLAG_WRITE) !== 0) return yield* doWpPage(vmf, ptl);
  yield* ptl.unlock();
  return 0;
}

/** should_try_to_free_swap(): when slots are scarce, or when a writer is probably the only user. */
function* shouldTryToFreeSwap(host: Host, vmf: VmFault, pfn: Pfn): Steps<boolean> {
  if (points.on) yield at.page(pfn);
  if (!host.frames.test(pfn, PG_swapcache)) return false;
  if (memCgroupSwapFull(host, pfn)) return true;
  // The swap cache's reference and this fault's.
  return (vmf.flags & FAULT_FLAG_WRITE) !== 0 && host.frames.count(pfn) === 2;
}
