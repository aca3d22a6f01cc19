// Reading a page past the swap cache (mm/memory.c: do_swap_page with SWP_SYNCHRONOUS_IO).
//
// swapIn.ts comes here when the device answers at once and nobody else refers to the slot: readahead would win nothing,
// and the page would only be taken out of the cache again. The slot is pinned meanwhile, so that it cannot be freed and
// given to another page between the read and the mapping (swapcache_prepare).
//
// Invariant: whoever pinned a slot unpins it, when the entry that named it is replaced, or has changed.

import { at, points, type Steps } from '../../sched/index.ts';
import type { SwapSlot } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioLruvec } from '../memcg/memcontrol.ts';
import { folioPut } from '../page/folio.ts';
import { PG_swapbacked } from '../page/frames.ts';
import { allocSwapinPage } from '../page/pageAlloc.ts';
import { workingsetRefault } from '../reclaim/workingset.ts';
import { JIFFY, scheduleTimeout } from '../timeout.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { swapReadFolioSync } from './swapIo.ts';

/** Whether `slot` may be read so: it has one user. */
export function* maySkipSwapCache({ swap }: Host, slot: SwapSlot): Steps<boolean> {
  if (swap === null || !swap.device.isSynchronous) return false;
  if (points.on) yield at.slot(slot);
  return swap.count(slot) === 1;
}

/**
 * The page of `slot`, locked, with a reference, and on the LRU; 0 when out of memory, -1 when somebody else has the
 * slot.
 */
export function* readPastSwapCache(mm: Mm, slot: SwapSlot): Steps<number> {
  const { host } = mm;
  const pfn = yield* allocSwapinPage(host, mm, slot);
  if (pfn === null) return 0;
  const shadow = yield* pinSlot(host, slot, host.frames.memcg[pfn]!);
  if (shadow === null) {
    yield* folioPut(host, pfn);
    yield* scheduleTimeout(host.sched, JIFFY);
    return -1;
  }
  if (points.on) yield at.page(pfn);
  host.folioLocks.tryLock(pfn);
  host.frames.set(pfn, PG_swapbacked);
  if (shadow !== 0) yield* workingsetRefault(host, pfn, shadow);
  yield* folioLruvec(host, pfn).add(pfn);
  yield* swapReadFolioSync(host, pfn, slot);
  return pfn;
}

function* pinSlot({ swap }: Host, slot: SwapSlot, memcg: number): Steps<number | null> {
  yield* swap!.lock.lock();
  if (points.on) yield at.slot(slot);
  const shadow = swap!.pin(slot, memcg);
  yield* swap!.lock.unlock();
  return shadow;
}

/** swapcache_clear(): the slot is free now unless somebody refers to it. */
export function* unpinSlot({ swap }: Host, slot: SwapSlot): Steps {
  yield* swap!.lock.lock();
  if (points.on) yield at.slot(slot);
  swap!.unpin(slot);
  yield* swap!.lock.unlock();
}

/** Keeps out of the way while somebody reads `slot` past the cache. */
export function* waitForPinned({ swap, sched }: Host, slot: SwapSlot): Steps {
  if (points.on) yield at.slot(slot);
  if (swap!.isPinned(slot)) yield* scheduleTimeout(sched, JIFFY);
}
