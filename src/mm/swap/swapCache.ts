// The swap cache: folios that have a swap slot, found by slot (mm/swap_state.c, mm/swapfile.c).
//
// A folio enters on its way out (reclaim) or in (swapReadahead.ts), and leaves when reclaim frees it clean, or when its
// slot is wanted back. rmap and fork count swap PTEs here, faults and zap uncount them.
//
// Invariants: a folio in the cache has PG_swapcache, names its slot in `private` and has one reference for the cache.
// Locks: entering and leaving needs the folio lock and the swap lock; lookup takes a reference and looks again.

import { at, points, RESCHED, type Steps } from '../../sched/index.ts';
import { bug, type Pfn, type SwapSlot } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioMemcg, memCgroupTryChargeSwap } from '../memcg/memcontrol.ts';
import { folioMarkDirty, folioPut, folioUnlockPut } from '../page/folio.ts';
import { PG_swapcache, PG_uptodate, PG_writeback } from '../page/frames.ts';
import type { SwapInfo } from './swap.ts';

export const swapOf = (host: Host): SwapInfo => host.swap ?? bug('swap entry on a host without swap');

/** swap_cache_get_folio(): the folio with a reference for the caller, or 0. */
export function* swapCacheGetFolio(host: Host, slot: SwapSlot): Steps<number> {
  const swap = swapOf(host);
  for (;;) {
    if (points.on) yield at.slot(slot);
    const pfn = swap.folioOf(slot);
    if (pfn === 0) return 0;
    if (points.on) yield at.page(pfn);
    const taken = host.frames.tryGet(pfn as Pfn);
    // A frozen frame is on its way out of the cache, and one that left may be anybody's by now.
    if (points.on) yield at.slot(slot);
    const same = swap.folioOf(slot) === pfn;
    if (taken && same) return pfn;
    if (taken) yield* folioPut(host, pfn as Pfn);
    else yield RESCHED;
  }
}

/** mincore_swap(): is the page of `slot` here, and read in? */
export function* swapCacheHas(host: Host, slot: SwapSlot): Steps<boolean> {
  const pfn = yield* swapCacheGetFolio(host, slot);
  if (pfn === 0) return false;
  if (points.on) yield at.page(pfn);
  const has = host.frames.test(pfn as Pfn, PG_uptodate);
  yield* folioPut(host, pfn as Pfn);
  return has;
}

/**
 * folio_alloc_swap(): a slot for a locked folio that has none. False when the swap area is full, or its owner may have no
 * more of it.
 */
export function* folioAllocSwap(host: Host, pfn: Pfn): Steps<boolean> {
  const swap = host.swap;
  if (swap === null) return false;
  yield* swap.lock.lock();
  const slot = swap.nextFree();
  const given = memCgroupTryChargeSwap(folioMemcg(host, pfn), slot);
  if (given && slot !== 0) {
    if (points.on) yield at.slot(slot);
    swap.claim(slot, pfn, host.frames.memcg[pfn]!);
    yield* enter(host, pfn, slot);
  }
  yield* swap.lock.unlock();
  return given;
}

/** A locked folio that nobody can find yet stands for `slot`. Returns the shadow, or null as SwapInfo.adopt(). */
export function* swapCacheAddFolio(host: Host, pfn: Pfn, slot: SwapSlot): Steps<number | null> {
  const swap = swapOf(host);
  yield* swap.lock.lock();
  if (points.on) yield at.slot(slot);
  const shadow = swap.adopt(slot, pfn, host.frames.memcg[pfn]!);
  if (shadow !== null) yield* enter(host, pfn, slot);
  yield* swap.lock.unlock();
  return shadow;
}

function* enter({ frames }: Host, pfn: Pfn, slot: SwapSlot): Steps {
  if (points.on) yield at.page(pfn);
  frames.get(pfn);
  frames.private[pfn] = slot;
  frames.set(pfn, PG_swapcache);
}

/**
 * __swap_cache_replace_folio(): `to` stands for the slot of `from`, whose references are frozen. The swap lock is held.
 */
export function* swapCacheReplaceFolioLocked(host: Host, from: Pfn, to: Pfn): Steps {
  const swap = swapOf(host);
  swap.lock.assertHeld();
  if (points.on) yield at.page(from);
  const slot = host.frames.private[from] as SwapSlot;
  host.frames.clear(from, PG_swapcache);
  host.frames.private[from] = 0;
  yield* enter(host, to, slot);
  if (points.on) yield at.slot(slot);
  swap.replace(slot, to);
}

/** The swap lock is held; the reference of the cache is the caller's now, to drop or frozen. */
export function* swapCacheDelFolioLocked(host: Host, pfn: Pfn, shadow: number): Steps {
  const swap = swapOf(host);
  swap.lock.assertHeld();
  if (points.on) yield at.page(pfn);
  const slot = host.frames.private[pfn] as SwapSlot;
  if (points.on) yield at.slot(slot);
  swap.evict(slot, shadow);
  if (points.on) yield at.page(pfn);
  host.frames.clear(pfn, PG_swapcache);
  host.frames.private[pfn] = 0;
}

/** folio_free_swap(): takes a locked folio out of the cache if no swap PTE needs it there; it is dirty then. */
export function* folioFreeSwap(host: Host, pfn: Pfn): Steps<boolean> {
  const { frames } = host;
  if (points.on) yield at.page(pfn);
  if (!frames.test(pfn, PG_swapcache) || frames.test(pfn, PG_writeback)) return false;
  const swap = swapOf(host);
  const slot = frames.private[pfn] as SwapSlot;
  yield* swap.lock.lock();
  if (points.on) yield at.slot(slot);
  const unused = swap.count(slot) === 0;
  if (unused) yield* swapCacheDelFolioLocked(host, pfn, 0);
  yield* swap.lock.unlock();
  if (!unused) return false;
  if (points.on) yield at.page(pfn);
  folioMarkDirty(host, pfn);
  yield* folioPut(host, pfn);
  return true;
}

/** free_swap_cache(): as folio_free_swap(), for a folio that was just unmapped and that the caller has a reference to. */
export function* freeSwapCache(host: Host, pfn: Pfn): Steps {
  const { frames } = host;
  if (points.on) yield at.page(pfn);
  if (!frames.test(pfn, PG_swapcache) || frames.maps(pfn) > 0) return;
  if (points.on) yield at.page(pfn);
  if (!host.folioLocks.tryLock(pfn)) return;
  yield* folioFreeSwap(host, pfn);
  if (points.on) yield at.page(pfn);
  host.folioLocks.unlock(pfn);
}

/** swap_duplicate(): one more swap PTE for `slot`. */
export function* swapDuplicate(host: Host, slot: SwapSlot): Steps {
  const swap = swapOf(host);
  yield* swap.lock.lock();
  if (points.on) yield at.slot(slot);
  swap.addReference(slot);
  yield* swap.lock.unlock();
}

/** swap_free(): one swap PTE for `slot` less. */
export function* swapFree(host: Host, slot: SwapSlot): Steps {
  const swap = swapOf(host);
  yield* swap.lock.lock();
  if (points.on) yield at.slot(slot);
  swap.dropReference(slot);
  yield* swap.lock.unlock();
}

/** free_swap_and_cache(): as swap_free(), and the cache lets go of a page that nobody else wants. */
export function* freeSwapAndCache(host: Host, slot: SwapSlot): Steps {
  yield* swapFree(host, slot);
  const pfn = (yield* swapCacheGetFolio(host, slot)) as Pfn | 0;
  if (pfn === 0) return;
  yield* freeSwapCache(host, pfn);
  yield* folioPut(host, pfn);
}

/**
 * The end of try_to_unuse(): lets go of folios that are in the cache for nobody's sake. A process that exits while a page
 * is being written leaves such a folio behind; reclaim would find it some day.
 */
export function* reclaimSwapCache(host: Host): Steps {
  const { swap, folioLocks } = host;
  if (swap === null) return;
  for (let slot = 1; slot < swap.max; slot++) {
    const pfn = (yield* swapCacheGetFolio(host, slot as SwapSlot)) as Pfn | 0;
    if (pfn === 0) continue;
    yield* folioLocks.lock(pfn);
    yield* folioLocks.wait(pfn, PG_writeback);
    yield* folioFreeSwap(host, pfn);
    yield* folioUnlockPut(host, pfn);
  }
}
