// Merging a page with another that holds the same (mm/ksm.c: write_protect_page, replace_page, try_to_merge_*).
//
// ksmScan.ts decides which. The page is made read-only where it is mapped, and only then compared for good; the first of
// two becomes the merged folio as it is, the second is replaced by it.
//
// Order (reference table rows 15 and 15b): start (CLEAR, one page); page table lock; clear the PTE and flush; if somebody
// else may be writing to the page (a reference that no mapping explains, a pin) the PTE is put back; else it is set
// read-only and clean; unlock; end. Then the same again, with the PTE set to the merged folio, and the rmap of the
// old page dropped.
// Locks: mmap_lock for read; the lock of the page's folio, by trylock.

import { PTE_D, PTE_W } from '../../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import { folioMarkAccessed, folioMarkDirty, folioPut } from '../page/folio.ts';
import { PG_anon_exclusive, PG_ksm, PG_swapcache } from '../page/frames.ts';
import { findPte, mkPte, ptlOf, readPte, setPte } from '../pagetable/pte.ts';
import { addAnonRmap, lockMappedPte, ptepClearFlush, removeRmap } from '../rmap/rmap.ts';
import { isAnonFolio } from '../rmap/rmapFile.ts';
import { folioFreeSwap } from '../swap/swapCache.ts';
import type { Vma } from '../vma/vma.ts';
import type { RmapItem } from './ksm.ts';
import { breakCow, findMergeableVma } from './ksmBreak.ts';
import { calcChecksum, comparePages, NO_STABLE_NODE, removeRmapItemFromTree } from './ksmTree.ts';
import { ksmMapZeroPage, mkKsmZeroPte } from './ksmZero.ts';

/** No PTE: it could not be write-protected. */
const FAILED = 0;

/** Runs `change` inside a notifier range of one page. */
function* notified(vma: Vma, address: Hva, change: Steps<number>): Steps<number> {
  const { mm } = vma;
  const end = (address + PAGE_SIZE) as Hva;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, address, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  const result = yield* change;
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  return result;
}

/** write_protect_page(): the PTE as it is then, or FAILED. The folio is locked, and the caller has a reference. */
const writeProtectPage = (vma: Vma, pfn: Pfn, address: Hva): Steps<number> =>
  notified(vma, address, writeProtectMapped(vma, pfn, address));

function* writeProtectMapped(vma: Vma, pfn: Pfn, address: Hva): Steps<number> {
  const { host } = vma.mm;
  const ptep = yield* lockMappedPte(vma, pfn, address);
  if (ptep === 0) return FAILED;
  const pte = yield* writeProtectPte(vma, pfn, address, ptep);
  yield* ptlOf(host, ptep).unlock();
  return pte;
}

function* writeProtectPte(vma: Vma, pfn: Pfn, address: Hva, ptep: Hpa): Steps<number> {
  const { mm } = vma;
  const { host } = mm;
  const { frames } = host;
  if (points.on) yield at.page(pfn);
  const exclusive = frames.test(pfn, PG_anon_exclusive);
  const cached = Number(frames.test(pfn, PG_swapcache));
  if (points.on) yield at.pte(ptep);
  const found = readPte(host, ptep);
  if ((found & (PTE_W | PTE_D)) === 0 && !exclusive && mm.tlbFlushPending === 0) return found;
  const pte = yield* ptepClearFlush(mm, address, ptep);
  if (points.on) yield at.page(pfn);
  // From now on nobody can take a reference by this mapping: what there is beyond mappings, cache and us is I/O, or a pin.
  if (frames.count(pfn) !== frames.maps(pfn) + 1 + cached) {
    if (points.on) yield at.pte(ptep);
    setPte(host, ptep, pte);
    return FAILED;
  }
  frames.clear(pfn, PG_anon_exclusive);
  if ((pte & PTE_D) !== 0) folioMarkDirty(host, pfn);
  const readOnly = pte & ~(PTE_D | PTE_W);
  if (points.on) yield at.pte(ptep);
  setPte(host, ptep, readOnly);
  return readOnly;
}

/**
 * replace_page(): 0; -EFAULT: the PTE is not `original` any more. The old folio is locked, and the caller has a
 * reference.
 */
const replacePage = (vma: Vma, old: Pfn, kpage: Pfn, address: Hva, original: number): Steps<number> =>
  notified(vma, address, replaceMapped(vma, old, kpage, address, original));

function* replaceMapped(vma: Vma, old: Pfn, kpage: Pfn, address: Hva, original: number): Steps<number> {
  const { mm } = vma;
  const { host } = mm;
  if (points.on) yield at.list(mm.pageTableLock.id);
  const ptep = findPte(mm, address);
  if (ptep === 0) return -Errno.EFAULT;
  const ptl = ptlOf(host, ptep);
  yield* ptl.lock();
  if (points.on) yield at.pte(ptep);
  const same = readPte(host, ptep) === original;
  if (same) yield* setKpage(vma, old, kpage, address, ptep);
  yield* ptl.unlock();
  return same ? 0 : -Errno.EFAULT;
}

function* setKpage(vma: Vma, old: Pfn, kpage: Pfn, address: Hva, ptep: Hpa): Steps {
  const { mm } = vma;
  const { host } = mm;
  const isZero = kpage === host.zeroPfn;
  if (isZero) ksmMapZeroPage(mm);
  else yield* mapKpage(vma, kpage, address);
  yield* ptepClearFlush(mm, address, ptep);
  if (points.on) yield at.pte(ptep);
  setPte(host, ptep, isZero ? mkKsmZeroPte(vma) : mkPte(kpage, vma));
  yield* removeRmap(vma, old);
  if (points.on) yield at.page(old);
  if (host.frames.maps(old) === 0) yield* folioFreeSwap(host, old);
  yield* folioPut(host, old);
}

function* mapKpage(vma: Vma, kpage: Pfn, address: Hva): Steps {
  const { mm } = vma;
  if (points.on) yield at.page(kpage);
  mm.host.frames.get(kpage);
  yield* addAnonRmap(vma, kpage, address, false);
  mm.anonPages++;
}

/** try_to_merge_one_page(): with `kpage`, or into a merged folio of its own (0). 0 or -EFAULT. */
function* tryToMergeOnePage(vma: Vma, pfn: Pfn, kpage: Pfn | 0, address: Hva): Steps<number> {
  const { host } = vma.mm;
  if (pfn === kpage) return 0;
  if (points.on) yield at.page(pfn);
  if (!isAnonFolio(host, pfn) || !host.folioLocks.tryLock(pfn)) return -Errno.EFAULT;
  const pte = yield* writeProtectPage(vma, pfn, address);
  let error = -Errno.EFAULT;
  if (pte !== FAILED && kpage === 0) {
    yield* becomeKsm(vma, pfn);
    error = 0;
  } else if (pte !== FAILED) {
    if (points.on) yield at.page(pfn);
    if (comparePages(host, pfn, kpage as Pfn) === 0)
      error = yield* replacePage(vma, pfn, kpage as Pfn, address, pte);
  }
  if (points.on) yield at.page(pfn);
  host.folioLocks.unlock(pfn);
  return error;
}

/** folio_set_stable_node(folio, NULL). Dirty: reclaim would drop a clean page without dirty PTEs. */
function* becomeKsm({ mm: { host } }: Vma, pfn: Pfn): Steps {
  if (points.on) yield at.page(pfn);
  host.frames.set(pfn, PG_ksm);
  host.frames.mapping[pfn] = NO_STABLE_NODE;
  folioMarkAccessed(host, pfn);
  folioMarkDirty(host, pfn);
}

/** try_to_merge_with_ksm_page(): 0 or -EFAULT; the item is in no tree then, and knows its anon_vma. */
export function* tryToMergeWithKsmPage(item: RmapItem, pfn: Pfn, kpage: Pfn | 0): Steps<number> {
  const { mm, address } = item;
  const { host } = mm;
  let error = -Errno.EFAULT;
  yield* host.locks.mmapReadLock(mm);
  const vma = yield* findMergeableVma(mm, address);
  if (vma !== null) error = yield* tryToMergeOnePage(vma, pfn, kpage, address);
  if (vma !== null && error === 0) {
    yield* removeRmapItemFromTree(host, item);
    item.anonVma = vma.anonVma;
  }
  yield* host.locks.mmapReadUnlock(mm);
  host.trace.ksm_merge_with_ksm_page?.(kpage, kpage === 0 ? pfn : kpage, item.id, mm.id, error);
  return error;
}

/**
 * try_to_merge_with_zero_page(): true when there is nothing left to do: it was, or the process has taken its offer
 * back.
 */
export function* tryToMergeWithZeroPage(item: RmapItem, pfn: Pfn): Steps<boolean> {
  const { mm, address } = item;
  const { host } = mm;
  if (!host.ksm.useZeroPages || item.oldChecksum !== calcChecksum(host, host.zeroPfn)) return false;
  let error = 0;
  yield* host.locks.mmapReadLock(mm);
  const vma = yield* findMergeableVma(mm, address);
  if (vma !== null) {
    error = yield* tryToMergeOnePage(vma, pfn, host.zeroPfn, address);
    host.trace.ksm_merge_one_page?.(host.zeroPfn, item.id, mm.id, error);
  }
  yield* host.locks.mmapReadUnlock(mm);
  return error === 0;
}

/** try_to_merge_two_pages(): whether both are one now, `pfn`. */
export function* tryToMergeTwoPages(
  item: RmapItem,
  pfn: Pfn,
  other: RmapItem,
  otherPfn: Pfn,
): Steps<boolean> {
  if ((yield* tryToMergeWithKsmPage(item, pfn, 0)) !== 0) return false;
  if ((yield* tryToMergeWithKsmPage(other, otherPfn, pfn)) === 0) return true;
  // A merged folio with one mapping, and in no tree.
  yield* breakCow(item);
  return false;
}
