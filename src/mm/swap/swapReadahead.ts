// Bringing a page into the swap cache, and its neighbours with it (mm/swap_state.c: swap_cluster_readahead).
//
// swapIn.ts asks for one slot; the window round it grows while readahead pages turn out to be used. The neighbours are
// only read if there are frames to spare.
//
// Invariant: of all who want a slot at once, one allocates and reads, the others find its locked folio in the cache.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Pfn, SwapSlot } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioLruvec } from '../memcg/memcontrol.ts';
import { folioPut } from '../page/folio.ts';
import { PG_readahead, PG_swapbacked } from '../page/frames.ts';
import { allocReadaheadPage, allocSwapinPage } from '../page/pageAlloc.ts';
import { workingsetRefault } from '../reclaim/workingset.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { waitForPinned } from './swapBypass.ts';
import { swapCacheAddFolio, swapCacheGetFolio, swapOf } from './swapCache.ts';
import { swapReadFolio } from './swapIo.ts';

/** The readahead window of a host (swapin_readahead_hits, prev_offset, last_readahead_pages). */
export class SwapReadahead {
  /** Window size is at most 2^pageCluster. */
  readonly #maxPages: number;
  #hits = 4;
  #previousSlot = 0;
  #lastPages = 0;

  /** swap_setup(), going on below the sizes that Linux has in mind. */
  constructor(managedPages: number) {
    const megabytes = managedPages / 256;
    const pageCluster = megabytes >= 16 ? 3 : megabytes >= 4 ? 2 : megabytes >= 1 ? 1 : 0;
    this.#maxPages = 1 << pageCluster;
  }

  /** swap_update_readahead(): a page that was read ahead is used. */
  hit(): void {
    this.#hits++;
  }

  /** swapin_nr_pages(): pages to read round `slot`, a power of two. */
  windowFor(slot: SwapSlot): number {
    if (this.#maxPages === 1) return 1;
    const hits = this.#hits;
    this.#hits = 0;
    const pages = Math.max(this.#wanted(slot, hits), this.#lastPages >> 1);
    if (hits === 0) this.#previousSlot = slot;
    this.#lastPages = pages;
    return pages;
  }

  /** __swapin_nr_pages(): two more than the hits; without hits, two if the slots are adjacent. */
  #wanted(slot: SwapSlot, hits: number): number {
    if (hits === 0) return Math.abs(slot - this.#previousSlot) === 1 ? 2 : 1;
    let pages = 4;
    while (pages < hits + 2) pages *= 2;
    return Math.min(pages, this.#maxPages);
  }
}

/**
 * swapin_readahead(): the folio for `slot`, with a reference, perhaps still being read; null when out of memory, 0 when
 * nobody refers to the slot any more. `mm` is who asks for it, if it is a process.
 */
export function* swapinReadahead(host: Host, mm: Mm | null, slot: SwapSlot): Steps<number | null> {
  const window = host.readahead.windowFor(slot);
  const first = Math.max(1, slot - (slot % window));
  const end = Math.min(swapOf(host).max, slot - (slot % window) + window);
  for (let other = first; other < end; other++) {
    if (other !== slot) yield* readAhead(host, other as SwapSlot);
  }
  return yield* readSwapCacheAsync(host, slot, mm, false);
}

/** swapin_walk_pmd_entry(): `slot` into the swap cache, for its own sake. */
export function* readSwapAhead(mm: Mm, slot: SwapSlot): Steps {
  const pfn = yield* readSwapCacheAsync(mm.host, slot, mm, false);
  if (pfn) yield* folioPut(mm.host, pfn as Pfn);
}

function* readAhead(host: Host, slot: SwapSlot): Steps {
  const pfn = yield* readSwapCacheAsync(host, slot, null, true);
  if (pfn) yield* folioPut(host, pfn as Pfn);
}

/**
 * __read_swap_cache_async(): the folio for `slot` with a reference, found or made and being read; 0 when nobody
 * refers to the slot, null when there is no memory. Readahead takes only frames that nobody misses.
 */
function* readSwapCacheAsync(
  host: Host,
  slot: SwapSlot,
  mm: Mm | null,
  isReadahead: boolean,
): Steps<number | null> {
  for (;;) {
    const cached = yield* swapCacheGetFolio(host, slot);
    if (cached !== 0) return cached;
    if (points.on) yield at.slot(slot);
    if (swapOf(host).count(slot) === 0) return 0;
    const memcg = host.memcgs.of(swapOf(host).memcgOf(slot));
    const pfn = isReadahead ? yield* allocReadaheadPage(host, memcg) : yield* allocSwapinPage(host, mm, slot);
    if (pfn === null) return null;
    if (yield* startRead(host, pfn, slot, isReadahead)) return pfn;
    yield* folioPut(host, pfn);
    yield* waitForPinned(host, slot);
  }
}

/** The new folio enters the cache and is read; false when somebody else was faster, or the slot is gone. */
function* startRead(host: Host, pfn: Pfn, slot: SwapSlot, isReadahead: boolean): Steps<boolean> {
  if (points.on) yield at.page(pfn);
  host.folioLocks.lockForDevice(pfn);
  host.frames.set(pfn, PG_swapbacked);
  const shadow = yield* swapCacheAddFolio(host, pfn, slot);
  if (shadow === null) {
    if (points.on) yield at.page(pfn);
    host.folioLocks.unlockForDevice(pfn);
    return false;
  }
  if (shadow !== 0) yield* workingsetRefault(host, pfn, shadow);
  if (isReadahead) {
    host.vmstat.swap_ra++;
    if (points.on) yield at.page(pfn);
    host.frames.set(pfn, PG_readahead);
  }
  yield* folioLruvec(host, pfn).add(pfn);
  yield* swapReadFolio(host, pfn, slot);
  return true;
}
