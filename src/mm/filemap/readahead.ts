// Filling the page cache from a device (mm/readahead.c, filemap_read_folio).
//
// A fault or a read() that misses has the pages round it read too, if there are frames that nobody needs. One of them is
// marked (PG_readahead): who gets there has more read, before anybody misses it.
//
// Invariants: a folio that is being read is in the cache, locked on behalf of the device and not uptodate; who wants
// it waits for its lock. Locks: invalidate_lock for read, so that nobody cuts pages out of the file meanwhile.

import { at, points, RESCHED, type Steps } from '../../sched/index.ts';
import { Errno, PAGE_SIZE, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioLruvec } from '../memcg/memcontrol.ts';
import { folioPut } from '../page/folio.ts';
import { PG_locked, PG_readahead, PG_uptodate, PG_writeback } from '../page/frames.ts';
import { allocFilePage, allocReadaheadPage } from '../page/pageAlloc.ts';
import { workingsetRefault } from '../reclaim/workingset.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import type { AddressSpace } from './addressSpace.ts';
import { EXISTS, filemapAddFolio } from './filemap.ts';
import { isFolio } from './iPages.ts';

/** Pages of the default read_ahead_kb. */
const RA_PAGES = 32;

/** ra->ra_pages, less on tiny hosts. */
const raPages = ({ zone }: Host): number => Math.min(RA_PAGES, Math.max(1, zone.managedPages >> 6));

/** The read-around of do_sync_mmap_readahead(). */
export function* readaheadAround(mapping: AddressSpace, index: number, mm: Mm): Steps {
  const pages = raPages(mapping.host);
  const first = Math.max(0, index - (pages >> 1));
  yield* pageCacheRaUnbounded(mapping, first, pages, mm, first + pages - (pages >> 2));
}

/** What it does for a VMA that may be executed: nothing before the page, and nothing beyond the VMA. */
export const readaheadOfCode = ({ file, lastPgoff, mm }: Vma, index: number): Steps =>
  pageCacheRaUnbounded(file!.mapping, index, Math.min(raPages(mm.host), lastPgoff + 1 - index), mm);

/** page_cache_sync_ra() of a read() that misses `index`, or of a fault where a VMA is read in order. */
export const readaheadFrom = (mapping: AddressSpace, index: number, mm: Mm | null): Steps =>
  pageCacheRaUnbounded(mapping, index, raPages(mapping.host), mm);

/** force_page_cache_readahead() for MADV_WILLNEED. */
export const forcePageCacheReadahead = (mapping: AddressSpace, first: number, pages: number, mm: Mm): Steps =>
  pageCacheRaUnbounded(mapping, first, pages, mm);

/**
 * page_cache_async_ra(): somebody got to a folio, which he has a reference to. If it is marked, what is missing of the
 * pages after it is read.
 */
export function* pageCacheAsyncRa(mapping: AddressSpace, folio: Pfn, index: number, mm: Mm | null): Steps {
  const { host, iPages } = mapping;
  if (points.on) yield at.page(folio);
  if (host.frames.test(folio, PG_writeback)) return;
  host.frames.clear(folio, PG_readahead);
  const pages = raPages(host);
  if (points.on) yield at.list(iPages.lock.id);
  let first = index + 1;
  while (first <= index + pages && isFolio(iPages.load(first))) first++;
  if (first <= index + pages) yield* pageCacheRaUnbounded(mapping, first, pages, mm, first);
}

/**
 * page_cache_ra_unbounded(): starts to read what is missing of [first, first + pages) within the file, for `mm` if any;
 * `marked` is marked if it is among it.
 */
function* pageCacheRaUnbounded(
  mapping: AddressSpace,
  first: number,
  pages: number,
  mm: Mm | null,
  marked = -1,
): Steps {
  const { host, inode, iPages, invalidateLock } = mapping;
  yield* invalidateLock.lockRead();
  if (points.on) yield at.sequence(inode.id);
  const end = Math.min(first + pages, Math.ceil(inode.size / PAGE_SIZE));
  for (let index = first; index < end; index++) {
    if (points.on) yield at.list(iPages.lock.id);
    if (isFolio(iPages.load(index))) continue;
    const pfn = yield* allocReadaheadPage(host, mm?.memcg ?? null);
    if (pfn === null) break;
    if (points.on) yield at.page(pfn);
    host.folioLocks.lockForDevice(pfn);
    if (index === marked) host.frames.set(pfn, PG_readahead);
    if (yield* enterCache(mapping, pfn, index)) yield* mapping.ops.readFolio(mapping, pfn, index);
    else {
      if (points.on) yield at.page(pfn);
      host.folioLocks.unlockForDevice(pfn);
    }
    yield* folioPut(host, pfn);
  }
  yield* invalidateLock.unlock();
}

/** filemap_add_folio(): a locked, new folio enters the cache and the LRU; false: somebody else was faster. */
export function* enterCache(mapping: AddressSpace, pfn: Pfn, index: number): Steps<boolean> {
  const { host } = mapping;
  const old = yield* filemapAddFolio(mapping, pfn, index, 0);
  if (old === EXISTS) return false;
  if (old !== 0) yield* workingsetRefault(host, pfn, old);
  yield* folioLruvec(host, pfn).add(pfn);
  return true;
}

/**
 * __filemap_get_folio(FGP_CREAT | FGP_FOR_MMAP) of a page that was not there: a folio in the cache, unlocked, with a
 * reference, perhaps not uptodate, or somebody else's; 0 when out of memory. `mm` is who asks.
 */
export function* newCacheFolio(mapping: AddressSpace, index: number, mm: Mm | null): Steps<number> {
  const { host, iPages } = mapping;
  for (;;) {
    const pfn = yield* allocFilePage(host, mm);
    if (pfn === null) return 0;
    if (points.on) yield at.page(pfn);
    host.folioLocks.tryLock(pfn);
    const entered = yield* enterCache(mapping, pfn, index);
    if (points.on) yield at.page(pfn);
    host.folioLocks.unlock(pfn);
    if (entered) return pfn;
    yield* folioPut(host, pfn);
    if (points.on) yield at.list(iPages.lock.id);
    const other = iPages.load(index) as Pfn;
    if (!isFolio(other)) continue;
    if (points.on) yield at.page(other);
    const taken = host.frames.tryGet(other);
    if (points.on) yield at.list(iPages.lock.id);
    if (taken && iPages.load(index) === other) return other;
    if (taken) yield* folioPut(host, other);
    else yield RESCHED;
  }
}

/** filemap_read_folio(): reads a folio that the caller has locked; unlocked on return. 0 or -EIO. */
export function* readFolioLocked(mapping: AddressSpace, pfn: Pfn): Steps<number> {
  const { host, ops } = mapping;
  if (points.on) yield at.page(pfn);
  host.folioLocks.handToDevice(pfn);
  const index = host.frames.index[pfn]!;
  yield* ops.readFolio(mapping, pfn, index);
  yield* host.folioLocks.wait(pfn, PG_locked);
  if (points.on) yield at.page(pfn);
  return host.frames.test(pfn, PG_uptodate) ? 0 : -Errno.EIO;
}
