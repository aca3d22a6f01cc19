// What madvise() does to pages (mm/madvise.c): drops them, lets them be dropped, ages them, reclaims them.
//
// madvise.ts comes here VMA by VMA. MADV_DONTNEED drops pages at once (reference table row 4): start; zap; end; flush;
// free. MADV_FREE (row 6): start; entries made old and clean; end; flush. MADV_COLD only ages pages, and MADV_PAGEOUT
// reclaims them the way reclaim does (row 9); neither calls start and end of its own.
//
// Locks: mmap_lock for read, or the VMA's.

import { PTE_A } from '../../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import type { Hpa, Hva, Pfn, SwapSlot } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioLruvec } from '../memcg/memcontrol.ts';
import { folioPutbackLru } from '../page/folio.ts';
import {
  PG_activate,
  PG_active,
  PG_dirty,
  PG_referenced,
  PG_swapcache,
  PG_unevictable,
  PG_workingset,
} from '../page/frames.ts';
import { MmuGather } from '../pagetable/mmuGather.ts';
import { walkPtes } from '../pagetable/pagewalk.ts';
import {
  dropPte,
  isPresentPte,
  isSwapPte,
  normalPfn,
  ptepClearYoungDirty,
  ptepTestAndClearYoung,
  readPte,
  swapPteSlot,
} from '../pagetable/pte.ts';
import { zapPageRange } from '../pagetable/zap.ts';
import { ScanControl } from '../reclaim/scanControl.ts';
import { shrinkFolioList } from '../reclaim/shrinkFolioList.ts';
import { moveFoliosToLru, pagesOf } from '../reclaim/vmscan.ts';
import { folioFreeSwap, freeSwapAndCache } from '../swap/swapCache.ts';
import { readSwapAhead } from '../swap/swapReadahead.ts';
import { coldHugePmd, freeHugePmd, type LargeToSplit, walkSplitting } from '../thp/madviseHuge.ts';
import type { Vma } from './vma.ts';

/** madvise_dontneed_single_vma() = zap_page_range_single_batched(): 0. The caller flushes and frees. */
export function* dontneed(gather: MmuGather, vma: Vma, start: Hva, end: Hva): Steps<number> {
  const { mm } = vma;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, start, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  yield* zapPageRange(gather, vma, start, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  return 0;
}

/** madvise_free_single_vma(): 0. Whoever writes to a page before reclaim finds it keeps it. The caller flushes. */
export function* free(gather: MmuGather, vma: Vma, start: Hva, end: Hva): Steps<number> {
  const { mm } = vma;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, start, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  yield* walkSplitting(
    vma,
    start,
    end,
    (ptep, address, large) => freePte(gather, ptep, address, large),
    (pmdp, first, last, large) => freeHugePmd(gather, pmdp, first, last, large),
  );
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  return 0;
}

/** One entry of madvise_free_pte_range(). */
function* freePte(gather: MmuGather, ptep: Hpa, address: Hva, large: LargeToSplit): Steps {
  const { mm } = gather;
  const { host } = mm;
  const { frames } = host;
  if (points.on) yield at.pte(ptep);
  const pte = readPte(host, ptep);
  if (isSwapPte(pte)) {
    mm.swapEntries--;
    yield* freeSwapAndCache(host, swapPteSlot(pte));
    if (points.on) yield at.pte(ptep);
    dropPte(host, ptep);
    return;
  }
  const pfn = (isPresentPte(pte) ? normalPfn(pte) : 0) as Pfn | 0;
  if (pfn === 0 || (frames.order[pfn] !== 0 && (yield* large.note(host, pfn)))) return;
  if (!(yield* cleanForFree(host, pfn))) return;
  if (points.on) yield at.pte(ptep);
  if (ptepClearYoungDirty(host, ptep)) gather.noteEntry(address);
  yield* folioLruvec(host, pfn).markLazyfree(pfn);
}

/** A folio that has a copy on swap, or is dirty: false when others map it, or when the copy cannot be let go of now. */
function* cleanForFree(host: Host, pfn: Pfn): Steps<boolean> {
  const { frames, folioLocks } = host;
  if (points.on) yield at.page(pfn);
  if (!frames.test(pfn, PG_swapcache | PG_dirty)) return true;
  if (!folioLocks.tryLock(pfn)) return false;
  let clean = frames.maps(pfn) === 1;
  if (clean && frames.test(pfn, PG_swapcache)) clean = yield* folioFreeSwap(host, pfn);
  if (points.on) yield at.page(pfn);
  if (clean) frames.clear(pfn, PG_dirty);
  folioLocks.unlock(pfn);
  return clean;
}

function* isPassedOver(): Steps<boolean> {
  return true;
}

/** swapin_walk_ops of madvise_willneed(): reads what is swapped out into the swap cache, and maps nothing. */
export function* willneedSwapped(vma: Vma, start: Hva, end: Hva): Steps<number> {
  const { mm } = vma;
  const { host } = mm;
  const slots: SwapSlot[] = [];
  // Nothing of a huge page is swapped out.
  yield* walkPtes(vma, start, end, false, (ptep) => noteSwapped(host, ptep, slots), isPassedOver);
  for (const slot of slots) yield* readSwapAhead(mm, slot);
  return 0;
}

function* noteSwapped(host: Host, ptep: Hpa, slots: SwapSlot[]): Steps {
  if (points.on) yield at.pte(ptep);
  const pte = readPte(host, ptep);
  if (isSwapPte(pte)) slots.push(swapPteSlot(pte));
}

/** madvise_cold() and madvise_pageout(): table by table, so that pages are isolated in batches. */
export function* coldOrPageout(vma: Vma, start: Hva, end: Hva, pageout: boolean): Steps {
  const { mm } = vma;
  const { host } = mm;
  const gather = new MmuGather(mm);
  const isolated: Pfn[] = [];
  yield* walkSplitting(
    vma,
    start,
    end,
    (entry, address, large) =>
      coldFolio(host, coldPte(gather, entry, address, pageout, large), pageout, isolated),
    (pmdp, first, last, large) =>
      coldFolio(host, coldHugePmd(gather, pmdp, first, last, pageout, large), pageout, isolated),
    () => reclaimPages(host, isolated.splice(0)),
  );
  yield* gather.finish();
}

/** What `cold` finds: if it is to be reclaimed it is isolated for it, if it is only cold it is deactivated. */
function* coldFolio(host: Host, cold: Steps<Pfn | 0>, pageout: boolean, isolated: Pfn[]): Steps {
  const pfn = yield* cold;
  if (pfn === 0) return;
  const pages = host.frames.nrPages(pfn);
  if (pageout && (yield* folioLruvec(host, pfn).isolate(pfn))) {
    if (points.on) yield at.page(pfn);
    if (host.frames.test(pfn, PG_unevictable)) yield* folioPutbackLru(host, pfn);
    else isolated.push(pfn);
  } else if (!pageout && (yield* folioLruvec(host, pfn).deactivate(pfn))) host.vmstat.pgdeactivate += pages;
}

/** One entry of madvise_cold_or_pageout_pte_range(): the folio, no longer young; 0 when it is not this mm's alone. */
function* coldPte(
  gather: MmuGather,
  ptep: Hpa,
  address: Hva,
  pageout: boolean,
  large: LargeToSplit,
): Steps<Pfn | 0> {
  const { host } = gather.mm;
  const { frames } = host;
  if (points.on) yield at.pte(ptep);
  const pte = readPte(host, ptep);
  const pfn = (isPresentPte(pte) ? normalPfn(pte) : 0) as Pfn | 0;
  if (pfn === 0 || (frames.order[pfn] !== 0 && (yield* large.note(host, pfn)))) return 0;
  if (points.on) yield at.page(pfn);
  if (frames.maps(pfn) !== 1) return 0;
  if (!pageout && (pte & PTE_A) !== 0) {
    if (points.on) yield at.pte(ptep);
    ptepTestAndClearYoung(host, ptep);
    gather.noteEntry(address);
  }
  if (points.on) yield at.page(pfn);
  frames.clear(pfn, PG_referenced | PG_activate);
  if (frames.test(pfn, PG_active)) frames.set(pfn, PG_workingset);
  return pfn;
}

/** reclaim_pages(): what cannot be freed now goes back on the LRU. */
function* reclaimPages(host: Host, isolated: readonly Pfn[]): Steps {
  if (isolated.length === 0) return;
  const sc = new ScanControl(host, isolated.length, false);
  const pages = pagesOf(host, isolated);
  host.nrIsolated.anon += pages;
  const { kept } = yield* shrinkFolioList(host, isolated, sc, true);
  yield* moveFoliosToLru(host, kept);
  host.nrIsolated.anon -= pages;
  host.throttle.wakeIsolated();
}
