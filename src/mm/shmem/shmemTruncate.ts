// Cutting pages out of a shmem object (mm/shmem.c: shmem_undo_range; mm/truncate.c: truncate_inode_partial_folio).
//
// Truncation, holes and the end of an object (shmem.ts) come here, after the pages were unmapped.
//
// Order: folios that lie in the range whole, and swap entries, go; those that lie in it in part are zeroed there, and huge
// ones are split; then what came of the splits goes. A huge folio that somebody has a reference to stays as it is, zeroed.
// Locks: i_rwsem for write, by the caller; one folio lock at a time.

import { at, points, type Steps } from '../../sched/index.ts';
import { type Hpa, PAGE_SIZE, type Pfn, pfnToHpa } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import { filemapLockFolio } from '../filemap/filemap.ts';
import { isFolio, isSwapEntry, swapEntrySlot } from '../filemap/iPages.ts';
import { truncateInodeFolio } from '../filemap/truncate.ts';
import type { Host } from '../host.ts';
import { folioMarkDirty, folioUnlockPut } from '../page/folio.ts';
import { PG_writeback } from '../page/frames.ts';
import { freeSwapAndCache } from '../swap/swapCache.ts';
import { splitFolio } from '../thp/splitFolio.ts';
import { shmemGetFolio } from './shmemFolio.ts';

/** shmem_undo_range(): the bytes [start, end) are zeros from now on; `end` may be infinite. */
export function* shmemUndoRange(mapping: AddressSpace, start: number, end: number): Steps {
  yield* removeWhole(mapping, start, end);
  const [first, last] = [Math.floor(start / PAGE_SIZE), Math.floor((end - 1) / PAGE_SIZE)];
  const next = yield* truncatePartial(mapping, first, start, end);
  if (last >= next && Number.isFinite(end)) yield* truncatePartial(mapping, last, start, end);
  yield* removeWhole(mapping, start, end);
}

/** Folios that lie in the range whole, and swap entries. */
function* removeWhole(mapping: AddressSpace, start: number, end: number): Steps {
  const { iPages, host } = mapping;
  const [first, stop] = [Math.ceil(start / PAGE_SIZE), Math.floor(end / PAGE_SIZE)];
  for (let changed = true; changed; ) {
    changed = false;
    if (points.on) yield at.list(iPages.lock.id);
    for (const index of iPages.indexesIn(first, stop - 1)) {
      const folio = (yield* filemapLockFolio(mapping, index)) as Pfn | 0;
      if (folio === 0) changed = (yield* shmemFreeSwap(mapping, index)) || changed;
      else if (yield* isWithin(mapping, folio, first, stop)) {
        yield* host.folioLocks.wait(folio, PG_writeback);
        yield* truncateInodeFolio(mapping, folio);
        changed = true;
      } else yield* folioUnlockPut(host, folio);
    }
  }
}

/** Of a locked folio. */
function* isWithin(mapping: AddressSpace, folio: Pfn, first: number, stop: number): Steps<boolean> {
  const { frames } = mapping.host;
  if (points.on) yield at.page(folio);
  const index = frames.index[folio]!;
  return index >= first && index + frames.nrPages(folio) <= stop;
}

/** shmem_free_swap(): the entry goes, if it is one and still there. True: there was something, perhaps a folio by now. */
function* shmemFreeSwap({ iPages, host }: AddressSpace, index: number): Steps<boolean> {
  yield* iPages.lock.lock();
  if (points.on) yield at.list(iPages.lock.id);
  const entry = iPages.load(index);
  if (!isFolio(entry)) iPages.store(index, 0);
  yield* iPages.lock.unlock();
  if (isSwapEntry(entry)) yield* freeSwapAndCache(host, swapEntrySlot(entry));
  return entry !== 0;
}

/**
 * What lies at `index` and is not in the range whole: a page at one end of it, or a huge folio. Where it ends, by
 * index.
 */
function* truncatePartial(mapping: AddressSpace, index: number, start: number, end: number): Steps<number> {
  const { frames } = mapping.host;
  const folio = yield* shmemGetPartialFolio(mapping, index, start, end);
  if (folio === 0) return index + 1;
  const pages = frames.nrPages(folio);
  yield* truncateInodePartialFolio(mapping, folio, start, end);
  return index - (index % pages) + pages;
}

/** shmem_get_partial_folio(): locked and referenced, or 0. A page that is out comes back only if it is to stay in part. */
function* shmemGetPartialFolio(
  mapping: AddressSpace,
  index: number,
  start: number,
  end: number,
): Steps<Pfn | 0> {
  const folio = (yield* filemapLockFolio(mapping, index)) as Pfn | 0;
  const position = index * PAGE_SIZE;
  if (folio !== 0 || (start <= position && end >= position + PAGE_SIZE)) return folio;
  return Math.max(0, yield* shmemGetFolio(mapping, index, 'read', null)) as Pfn | 0;
}

/** folio_zero_range(): the bytes [from, to) of the folio. Preceded by at.page(folio). */
function folioZeroRange({ memory }: Host, folio: Pfn, from: number, to: number): void {
  for (let start = from; start < to; ) {
    const end = Math.min(to, (Math.floor(start / PAGE_SIZE) + 1) * PAGE_SIZE);
    memory.writeBytes((pfnToHpa(folio) + start) as Hpa, new Uint8Array(end - start));
    start = end;
  }
}

/** truncate_inode_partial_folio(): locked and with a reference of the caller's, both of which end here. */
function* truncateInodePartialFolio(mapping: AddressSpace, folio: Pfn, start: number, end: number): Steps {
  const { host } = mapping;
  const { frames } = host;
  yield* host.folioLocks.wait(folio, PG_writeback);
  if (points.on) yield at.page(folio);
  const position = frames.index[folio]! * PAGE_SIZE;
  const size = frames.nrPages(folio) * PAGE_SIZE;
  const from = Math.max(0, start - position);
  const to = Math.min(size, end - position);
  if (to - from === size) return yield* truncateInodeFolio(mapping, folio);
  folioZeroRange(host, folio, from, to);
  folioMarkDirty(host, folio);
  if (frames.order[folio] !== 0) yield* splitFolio(host, folio, null);
  yield* folioUnlockPut(host, folio);
}
