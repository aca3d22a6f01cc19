// Taking a folio out of every address space, on its way to swap or out of the page cache (mm/rmap.c: try_to_unmap).
//
// shrinkFolioList.ts calls it. For each PTE (reference table row 9): start; page table lock; clear the PTE, put the CPU
// flush off, tell secondary TLBs; move dirty to the folio; swap entry, if anonymous; remove the rmap, put; unlock; end.
// Whoever calls flushes what was put off before the page is written or freed. Where a VMA is locked the entry stays.
//
// Locks: the folio lock is held, so that the slot stays; i_mmap_rwsem or anon_vma->rwsem is taken for read.

import { PTE_D } from '../../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { bug, type Hpa, type Hva, PAGE_SIZE, type Pfn, type SwapSlot } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioMarkDirty } from '../page/folio.ts';
import { PG_dirty, PG_swapbacked, PG_swapcache } from '../page/frames.ts';
import {
  dropPte,
  isPresentPte,
  isSoftDirty,
  makeSwapPte,
  ptepGetAndClear,
  ptlOf,
  setPte,
} from '../pagetable/pte.ts';
import type { TlbUnmapBatch } from '../pagetable/tlbFlush.ts';
import { isMlocking, mlockFolio } from '../reclaim/mlockFolio.ts';
import { swapDuplicate } from '../swap/swapCache.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_LOCKED } from '../vma/vmFlags.ts';
import { lockMappedPte, removeRmap, tryShareAnonRmap } from './rmap.ts';
import { isAnonFolio } from './rmapFile.ts';
import { rmapWalk } from './rmapWalk.ts';

/**
 * try_to_unmap() of a small folio, with TTU_BATCH_FLUSH, and TTU_IGNORE_MLOCK if `ignoreMlock`; whether it worked is
 * what the mapcount then says.
 */
export function* tryToUnmap(host: Host, pfn: Pfn, batch: TlbUnmapBatch, ignoreMlock = false): Steps {
  yield* rmapWalk(host, pfn, false, (vma, address) => endsUnmapping(vma, pfn, address, batch, ignoreMlock));
}

/** Takes the folio out of one address space; true: it is to stay after all, or the rest need not be asked. */
function* endsUnmapping(
  vma: Vma,
  pfn: Pfn,
  address: Hva,
  batch: TlbUnmapBatch,
  ignoreMlock: boolean,
): Steps<boolean> {
  if (!(yield* tryToUnmapOne(vma, pfn, address, batch, ignoreMlock))) return true;
  // folio_not_mapped()
  if (points.on) yield at.page(pfn);
  return vma.mm.host.frames.maps(pfn) === 0;
}

/** try_to_unmap_one(): false when the folio is to stay after all. */
function* tryToUnmapOne(
  vma: Vma,
  pfn: Pfn,
  address: Hva,
  batch: TlbUnmapBatch,
  ignoreMlock: boolean,
): Steps<boolean> {
  const { mm } = vma;
  const end = (address + PAGE_SIZE) as Hva;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, address, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  const ptep = yield* lockMappedPte(vma, pfn, address);
  let unmapped = true;
  if (ptep !== 0) {
    const isLocked = !ignoreMlock && (vma.flags & VM_LOCKED) !== 0;
    // The mlock that got missed.
    if (isLocked && isMlocking(vma)) yield* mlockFolio(mm.host, pfn);
    unmapped = !isLocked && (yield* unmapPte(vma, pfn, address, ptep, batch));
    yield* ptlOf(mm.host, ptep).unlock();
  }
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  return unmapped;
}

/**
 * Clears the entry of `page`, which may be one of a large folio; of an anonymous page a swap entry takes its place, of a
 * file page nothing. False: it must stay.
 */
export function* unmapPte(
  vma: Vma,
  page: Pfn,
  address: Hva,
  ptep: Hpa,
  batch: TlbUnmapBatch,
): Steps<boolean> {
  const { mm } = vma;
  const { host } = mm;
  const pfn = host.frames.folioOf(page);
  if (points.on) yield at.page(pfn);
  const isAnon = isAnonFolio(host, pfn);
  const lazyfree = isAnon && !host.frames.test(pfn, PG_swapbacked);
  if (isAnon && !lazyfree && !host.frames.test(pfn, PG_swapcache))
    bug('anonymous folio unmapped without a slot', { pfn });
  const exclusive = isAnon && host.frames.isAnonExclusive(pfn, page);
  const slot = (host.frames.private[pfn]! + (page - pfn)) as SwapSlot;
  if (points.on) yield at.pte(ptep);
  const pte = ptepGetAndClear(host, ptep);
  if (!isPresentPte(pte)) bug('mapped PTE vanished under its lock', { ptep });
  yield* batch.add(mm, address, pte);
  if ((pte & PTE_D) !== 0) {
    if (points.on) yield at.page(pfn);
    folioMarkDirty(host, pfn);
  }
  if (lazyfree && !(yield* mayDiscard(host, pfn))) {
    if (points.on) yield at.pte(ptep);
    setPte(host, ptep, pte);
    return false;
  }
  if (isAnon && !lazyfree && exclusive && !(yield* tryShareAnonRmap(host, page))) {
    if (points.on) yield at.pte(ptep);
    setPte(host, ptep, pte);
    return false;
  }
  if (isAnon && !lazyfree) {
    yield* swapDuplicate(host, slot);
    mm.swapEntries++;
    if (points.on) yield at.pte(ptep);
    setPte(host, ptep, makeSwapPte(slot, exclusive, isSoftDirty(pte)));
    host.trace.try_to_unmap?.(mm.id, address, slot);
  }
  // Of a page of a file that is write-protected by a userfaultfd a marker stays.
  if (lazyfree) {
    if (points.on) yield at.pte(ptep);
    dropPte(host, ptep);
  }
  yield* removeRmap(vma, page);
  if (points.on) yield at.page(pfn);
  if (host.frames.putTestZero(pfn)) bug('folio freed while it was being unmapped', { pfn });
  return true;
}

/** MADV_FREE: nobody has written to the folio since, and nobody else may be about to. */
function* mayDiscard({ frames }: Host, pfn: Pfn): Steps<boolean> {
  if (points.on) yield at.page(pfn);
  if (frames.test(pfn, PG_dirty)) {
    frames.set(pfn, PG_swapbacked);
    return false;
  }
  return frames.count(pfn) === 1 + frames.maps(pfn);
}
