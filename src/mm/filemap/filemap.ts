// The page cache: folios of a file, found by page index (mm/filemap.c).
//
// Faults, read() and write() look folios up and put them in; reclaim (shrinkFolioList.ts) and truncate.ts take them
// out.
//
// Invariants: a folio in the cache has `mapping` and `index` set, and a reference of the cache for each page. It enters
// and leaves locked; who locked a folio that it has found looks whether it is still in (folioInMapping).
// Locks: i_pages for entering and leaving; lookup takes a reference and looks again.

import { at, points, RESCHED, type Steps } from '../../sched/index.ts';
import { bug, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioPut, folioUnlockPut } from '../page/folio.ts';
import { PG_dirty } from '../page/frames.ts';
import type { AddressSpace } from './addressSpace.ts';
import { isFolio } from './iPages.ts';

/** Whether a locked folio is still what it was found as. Preceded by at.page(pfn). */
export const folioInMapping = ({ host, id }: AddressSpace, pfn: Pfn): boolean =>
  host.frames.mapping[pfn] === -id;

/** folio_file_page(): the page of the folio that is page `index` of the file. */
export const folioFilePage = ({ frames }: Host, folio: Pfn, index: number): Pfn =>
  (folio + (index & (frames.nrPages(folio) - 1))) as Pfn;

/** filemap_get_entry(): a folio with a reference for the caller, a shadow or swap entry, or 0. */
export function* filemapGetEntry(mapping: AddressSpace, index: number): Steps<number> {
  const { iPages, host } = mapping;
  for (;;) {
    if (points.on) yield at.list(iPages.lock.id);
    const entry = iPages.load(index);
    if (!isFolio(entry)) return entry;
    const pfn = entry as Pfn;
    if (points.on) yield at.page(pfn);
    const taken = host.frames.tryGet(pfn);
    // A frozen frame is on its way out of the cache, and one that left may be anybody's by now.
    if (points.on) yield at.list(iPages.lock.id);
    const same = iPages.load(index) === pfn;
    if (taken && same) return pfn;
    if (taken) yield* folioPut(host, pfn);
    else yield RESCHED;
  }
}

/** filemap_get_folio(): the folio with a reference for the caller, or 0. */
export function* filemapGetFolio(mapping: AddressSpace, index: number): Steps<number> {
  const entry = yield* filemapGetEntry(mapping, index);
  return isFolio(entry) ? entry : 0;
}

/** filemap_lock_folio(): the same, locked, and still in the cache. */
export function* filemapLockFolio(mapping: AddressSpace, index: number): Steps<number> {
  const { host } = mapping;
  for (;;) {
    const pfn = (yield* filemapGetFolio(mapping, index)) as Pfn | 0;
    if (pfn === 0) return 0;
    yield* host.folioLocks.lock(pfn);
    if (points.on) yield at.page(pfn);
    if (folioInMapping(mapping, pfn)) return pfn;
    yield* folioUnlockPut(host, pfn);
  }
}

/**
 * __filemap_add_folio(): a locked folio that nobody can find yet takes the place of `expected` (a swap entry), or of
 * nothing and of shadows. Returns the entry that it replaces; EXISTS when there is another.
 */
export function* filemapAddFolio(
  mapping: AddressSpace,
  pfn: Pfn,
  index: number,
  expected: number,
): Steps<number | typeof EXISTS> {
  const { iPages, host } = mapping;
  const { frames } = host;
  yield* iPages.lock.lock();
  if (points.on) yield at.list(iPages.lock.id);
  const old = iPages.load(index);
  const pages = frames.nrPages(pfn);
  const free = expected === 0 ? !iPages.isTaken(index, pages) : old === expected;
  if (free) iPages.store(index, pfn, pages);
  if (free) {
    if (points.on) yield at.page(pfn);
    frames.getMany(pfn, pages);
    frames.mapping[pfn] = -mapping.id;
    frames.index[pfn] = index;
    accountCached(mapping, pages);
    if (pages > 1) accountHuge(host, 1);
  }
  yield* iPages.lock.unlock();
  return free ? old : EXISTS;
}

/** Answer of filemapAddFolio(). */
export const EXISTS = 'exists';

/** NR_FILE_PAGES, NR_SHMEM: so many pages more. */
export function accountCached({ host: { vmstat }, kind }: AddressSpace, pages: number): void {
  vmstat.nr_file_pages += pages;
  if (kind === 'shmem') vmstat.nr_shmem += pages;
}

/** NR_SHMEM_THPS: so many huge folios more; only shmem has any. */
export function accountHuge({ vmstat }: Host, folios: number): void {
  vmstat.nr_shmem_hugepages += folios;
}

/** filemap_remove_folio(): takes a locked folio out for good, dirty or not. */
export function* filemapRemoveFolio(mapping: AddressSpace, pfn: Pfn, replacement = 0): Steps {
  const { iPages, host } = mapping;
  yield* iPages.lock.lock();
  yield* filemapRemoveFolioLocked(mapping, pfn, replacement);
  yield* iPages.lock.unlock();
  yield* folioPut(host, pfn, host.frames.nrPages(pfn));
}

/** __filemap_remove_folio(): i_pages is locked; the references of the cache are the caller's now, to drop or frozen. */
export function* filemapRemoveFolioLocked(mapping: AddressSpace, pfn: Pfn, replacement: number): Steps {
  const { iPages, host } = mapping;
  iPages.lock.assertHeld();
  if (points.on) yield at.page(pfn);
  if (host.frames.maps(pfn) > 0) bug('folio leaves the page cache while it is mapped', { pfn });
  folioCancelDirty(mapping, pfn);
  const index = host.frames.index[pfn]!;
  host.frames.mapping[pfn] = 0;
  const pages = host.frames.nrPages(pfn);
  if (points.on) yield at.list(iPages.lock.id);
  iPages.store(index, replacement, pages);
  accountCached(mapping, -pages);
  if (pages > 1) accountHuge(host, -1);
}

/** folio_cancel_dirty(): what is in the folio will not be missed. Preceded by at.page(pfn). */
export function folioCancelDirty(mapping: AddressSpace, pfn: Pfn): boolean {
  const dirty = mapping.canWriteback && mapping.host.frames.testAndClear(pfn, PG_dirty);
  if (dirty) accountCleaned(mapping, pfn);
  return dirty;
}

/** NR_FILE_DIRTY and the tag: PG_dirty was cleared. Preceded by at.page(pfn). */
export function accountCleaned({ dirty, host: { frames, vmstat } }: AddressSpace, pfn: Pfn): void {
  dirty.delete(frames.index[pfn]!);
  vmstat.nr_dirty--;
}
