// Cutting pages out of a file: unmapped everywhere, then out of the page cache (mm/truncate.c; mm/memory.c:
// unmap_mapping_pages).
//
// Truncation, hole punching and the eviction of a file come here from ext4.ts and shmem.ts.
//
// Order (reference table row 5): for each VMA part of the range: start (CLEAR); zap; end; flush; free. Then the folio
// leaves the cache, and is unmapped again if a fault was faster. Truncation takes private copies too, punching leaves
// them.
// Locks: i_rwsem and invalidate_lock for write, by the caller; i_mmap_rwsem for read, round the unmapping; not
// mmap_lock.

import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn, pfnToHpa } from '../../units.ts';
import { folioUnlockPut } from '../page/folio.ts';
import { PG_uptodate, PG_writeback } from '../page/frames.ts';
import { MmuGather } from '../pagetable/mmuGather.ts';
import { zapPageRange } from '../pagetable/zap.ts';
import { folioMkclean } from '../rmap/mkclean.ts';
import type { Vma } from '../vma/vma.ts';
import type { AddressSpace } from './addressSpace.ts';
import { filemapLockFolio, filemapRemoveFolio, folioFilePage } from './filemap.ts';

/** unmap_mapping_pages(): the pages [first, first + pages) of the file; `evenCows`: private copies of them as well. */
export function* unmapMappingPages(
  mapping: AddressSpace,
  first: number,
  pages: number,
  evenCows: boolean,
): Steps {
  if (pages <= 0) return;
  const { locks } = mapping.host;
  const last = first + pages - 1;
  yield* locks.iMmapLockRead(mapping);
  if (points.on) yield at.list(mapping.iMmapRwsem.id);
  for (const vma of mapping.iMmap.overlapping(first, last)) {
    const from = Math.max(first, vma.pgoff) - vma.pgoff;
    const to = Math.min(last, vma.pgoff + vma.pages - 1) + 1 - vma.pgoff;
    yield* unmapMappingRangeVma(
      vma,
      (vma.start + from * PAGE_SIZE) as Hva,
      (vma.start + to * PAGE_SIZE) as Hva,
      evenCows,
    );
  }
  yield* locks.iMmapUnlockRead(mapping);
}

/** unmap_mapping_range_vma() = zap_page_range_single(). */
function* unmapMappingRangeVma(vma: Vma, start: Hva, end: Hva, evenCows: boolean): Steps {
  const { mm } = vma;
  const gather = new MmuGather(mm);
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, start, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  yield* zapPageRange(gather, vma, start, end, { evenCows, dropMarkers: false });
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  yield* gather.finish();
}

/** As many pages as a file can have. */
const ALL_PAGES = 2 ** 40;

/** truncate_pagecache(): the file ends at `size` from now on, which i_size says already. */
export function* truncatePagecache(mapping: AddressSpace, size: number): Steps {
  const first = Math.ceil(size / PAGE_SIZE);
  yield* unmapMappingPages(mapping, first, ALL_PAGES, true);
  yield* truncateInodePages(mapping, size);
  // A private copy may have been made of a page that was still there the first time.
  yield* unmapMappingPages(mapping, first, ALL_PAGES, true);
}

/** truncate_pagecache_range(): the hole [start, end) in bytes. */
export function* truncatePagecacheRange(mapping: AddressSpace, start: number, end: number): Steps {
  const first = Math.ceil(start / PAGE_SIZE);
  yield* unmapMappingPages(mapping, first, Math.floor(end / PAGE_SIZE) - first, false);
  yield* truncateInodePagesRange(mapping, start, end);
}

/** truncate_inode_pages(). */
export const truncateInodePages = (mapping: AddressSpace, start: number): Steps =>
  truncateInodePagesRange(mapping, start, ALL_PAGES * PAGE_SIZE);

/** truncate_inode_pages_range(): whole pages go, partial ones are zeroed where the hole is. [start, end) in bytes. */
export function* truncateInodePagesRange(mapping: AddressSpace, start: number, end: number): Steps {
  const first = Math.ceil(start / PAGE_SIZE);
  const stop = Math.floor(end / PAGE_SIZE);
  yield* removePages(mapping, first, stop);
  if (start % PAGE_SIZE !== 0) {
    const head = Math.floor(start / PAGE_SIZE);
    yield* zeroPartial(mapping, head, start % PAGE_SIZE, Math.min(PAGE_SIZE, end - head * PAGE_SIZE));
  }
  if (end % PAGE_SIZE !== 0 && stop >= first) yield* zeroPartial(mapping, stop, 0, end % PAGE_SIZE);
}

/** Folios and what reclaim left of folios, in the pages [first, stop). */
function* removePages(mapping: AddressSpace, first: number, stop: number): Steps {
  const { iPages } = mapping;
  for (;;) {
    if (points.on) yield at.list(iPages.lock.id);
    const indexes = iPages.indexesIn(first, stop - 1);
    if (indexes.length === 0) return;
    for (const index of indexes) yield* removePage(mapping, index);
  }
}

function* removePage(mapping: AddressSpace, index: number): Steps {
  const { iPages, host } = mapping;
  const pfn = (yield* filemapLockFolio(mapping, index)) as Pfn | 0;
  if (pfn !== 0) {
    yield* host.folioLocks.wait(pfn, PG_writeback);
    yield* truncateInodeFolio(mapping, pfn);
    return;
  }
  // clear_shadow_entries(): what is no folio is a shadow; swap entries are shmem's own business.
  yield* iPages.lock.lock();
  if (points.on) yield at.list(iPages.lock.id);
  if (iPages.load(index) < 0) iPages.store(index, 0);
  yield* iPages.lock.unlock();
}

/** truncate_inode_folio(): locked and with a reference of the caller's, both of which end here. */
export function* truncateInodeFolio(mapping: AddressSpace, pfn: Pfn): Steps {
  const { host } = mapping;
  yield* truncateCleanupFolio(mapping, pfn);
  yield* filemapRemoveFolio(mapping, pfn);
  yield* folioUnlockPut(host, pfn);
}

/** truncate_cleanup_folio(): a fault may have mapped the folio since its range was unmapped; no more, it is locked. */
function* truncateCleanupFolio(mapping: AddressSpace, pfn: Pfn): Steps {
  const { host } = mapping;
  if (points.on) yield at.page(pfn);
  const index = host.frames.index[pfn]!;
  const pages = host.frames.nrPages(pfn);
  if (host.frames.maps(pfn) > 0) yield* unmapMappingPages(mapping, index, pages, false);
}

/** truncate_inode_partial_folio() of a page that stays. */
function* zeroPartial(mapping: AddressSpace, index: number, from: number, to: number): Steps {
  const { host } = mapping;
  const pfn = (yield* filemapLockFolio(mapping, index)) as Pfn | 0;
  if (pfn === 0) return;
  yield* host.folioLocks.wait(pfn, PG_writeback);
  if (points.on) yield at.page(pfn);
  host.memory.writeBytes((pfnToHpa(pfn) + from) as Hpa, new Uint8Array(to - from));
  yield* folioUnlockPut(host, pfn);
}

/**
 * pagecache_isize_extended(): the file grew from `from` to `to` bytes. The page where it ended is zeroed behind the
 * old end, and write-protected where there is a file system, which is to be asked for the rest of it at the next write.
 */
export function* pagecacheIsizeExtended(mapping: AddressSpace, from: number, to: number): Steps {
  const offset = from % PAGE_SIZE;
  if (offset === 0 || to <= from) return;
  const { host } = mapping;
  const index = Math.floor(from / PAGE_SIZE);
  const folio = (yield* filemapLockFolio(mapping, index)) as Pfn | 0;
  if (folio === 0) return;
  if (mapping.canWriteback) yield* folioMkclean(host, folio);
  if (points.on) yield at.page(folio);
  const page = folioFilePage(host, folio, index);
  const stop = Math.min(PAGE_SIZE, to - index * PAGE_SIZE);
  if (host.frames.test(folio, PG_uptodate))
    host.memory.writeBytes((pfnToHpa(page) + offset) as Hpa, new Uint8Array(stop - offset));
  yield* folioUnlockPut(host, folio);
}
