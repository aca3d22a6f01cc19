// Writing shmem pages to swap (mm/shmem.c: shmem_writeout).
//
// Reclaim (shrinkFolioList.ts) calls it; shmem.ts brings them back.
//
// Invariant: in one step under i_pages the folio leaves the page cache and a swap entry takes its place; it is in the
// swap cache from before that until reclaim frees it. Locks: the folio lock, by the caller; i_pages, then nothing.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Pfn, SwapSlot } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import { filemapRemoveFolioLocked } from '../filemap/filemap.ts';
import { makeSwapEntry } from '../filemap/iPages.ts';
import type { Host } from '../host.ts';
import { folioMarkDirty, folioPut } from '../page/folio.ts';
import { PG_dirty } from '../page/frames.ts';
import { folioAllocSwap, swapDuplicate } from '../swap/swapCache.ts';
import { swapWriteout } from '../swap/swapIo.ts';
import { splitFolio } from '../thp/splitFolio.ts';

/**
 * shmem_writeout(): reclaim has unmapped the folio, which is locked. True: it is on its way to swap, and unlocked;
 * false: no room there, it is locked and dirty as before. A huge one is split first: its first page goes, the others are
 * added to `isolated`.
 */
export function* shmemWriteout(mapping: AddressSpace, pfn: Pfn, isolated: Pfn[]): Steps<boolean> {
  const { host, iPages } = mapping;
  if (host.frames.order[pfn] !== 0 && !(yield* splitForSwap(host, pfn, isolated))) return false;
  if (!(yield* folioAllocSwap(host, pfn))) {
    if (points.on) yield at.page(pfn);
    folioMarkDirty(host, pfn);
    return false;
  }
  if (points.on) yield at.page(pfn);
  const slot = host.frames.private[pfn] as SwapSlot;
  yield* swapDuplicate(host, slot);
  // shmem_delete_from_page_cache().
  yield* iPages.lock.lock();
  yield* filemapRemoveFolioLocked(mapping, pfn, makeSwapEntry(slot));
  yield* iPages.lock.unlock();
  yield* folioPut(host, pfn);
  yield* swapWriteout(host, pfn);
  return true;
}

/** All of its pages are as dirty as it was, the first one excepted, which is about to be written. */
function* splitForSwap(host: Host, folio: Pfn, isolated: Pfn[]): Steps<boolean> {
  if (points.on) yield at.page(folio);
  folioMarkDirty(host, folio);
  if ((yield* splitFolio(host, folio, isolated)) !== 0) return false;
  if (points.on) yield at.page(folio);
  host.frames.clear(folio, PG_dirty);
  return true;
}
