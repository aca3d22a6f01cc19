// What madvise() and mincore() do about the page cache (mm/madvise.c: madvise_willneed, madvise_remove; mm/mincore.c).
//
// madvise.ts and mincore.ts come here for file and shmem mappings, with mmap_lock held for read.
//
// Locks: mmap_lock is dropped while the file is worked on, and taken again; the VMA may be another by then.

import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import { folioPut } from '../page/folio.ts';
import { PG_uptodate } from '../page/frames.ts';
import { swapCacheHas } from '../swap/swapCache.ts';
import { readSwapAhead } from '../swap/swapReadahead.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_LOCKED, VM_MAYWRITE, VM_SHARED } from '../vma/vmFlags.ts';
import type { AddressSpace } from './addressSpace.ts';
import { type File, fput, getFile } from './file.ts';
import { filePunchHole } from './fileIo.ts';
import { filemapGetEntry } from './filemap.ts';
import { isFolio, isSwapEntry, swapEntrySlot } from './iPages.ts';
import { forcePageCacheReadahead } from './readahead.ts';

/** madvise_willneed(): the pages are read into the page cache, or the swap cache; 0. */
export function* madviseWillneedFile(vma: Vma, start: Hva, end: Hva): Steps<number> {
  const { mm } = vma;
  const first = vma.indexOf(start);
  const pages = (end - start) / PAGE_SIZE;
  if (vma.file?.mapping.kind === 'shmem') {
    yield* shmemSwapinRange(mm, vma.file.mapping, first, pages);
    return 0;
  }
  return yield* withLockDropped(vma, ({ mapping }) => readAhead(mapping, first, pages, mm));
}

function* readAhead(mapping: AddressSpace, first: number, pages: number, mm: Mm): Steps<number> {
  yield* forcePageCacheReadahead(mapping, first, pages, mm);
  return 0;
}

/** shmem_swapin_range(). */
function* shmemSwapinRange(mm: Mm, mapping: AddressSpace, first: number, pages: number): Steps {
  const { iPages } = mapping;
  if (points.on) yield at.list(iPages.lock.id);
  for (const index of iPages.indexesIn(first, first + pages - 1)) {
    if (points.on) yield at.list(iPages.lock.id);
    const entry = iPages.load(index);
    if (isSwapEntry(entry)) yield* readSwapAhead(mm, swapEntrySlot(entry));
  }
}

/** madvise_remove(): 0, -EINVAL (anonymous or locked), -EACCES (not shared, or never to be written). */
export function* madviseRemove(vma: Vma, start: Hva, end: Hva): Steps<number> {
  if ((vma.flags & VM_LOCKED) !== 0 || vma.file === null) return -Errno.EINVAL;
  const shared = VM_SHARED | VM_MAYWRITE;
  if ((vma.flags & shared) !== shared) return -Errno.EACCES;
  const from = vma.indexOf(start) * PAGE_SIZE;
  return yield* withLockDropped(vma, (file) => filePunchHole(file, from, end - start));
}

/** i_rwsem and the locks of the page cache are not taken under mmap_lock; the file is pinned meanwhile. */
function* withLockDropped({ mm, file }: Vma, act: (file: File) => Steps<number>): Steps<number> {
  const { locks } = mm.host;
  if (file === null) return -Errno.EINVAL;
  getFile(file);
  yield* locks.mmapReadUnlock(mm);
  const error = yield* act(file);
  yield* fput(file);
  yield* locks.mmapReadLock(mm);
  return error;
}

/** mincore_page(): is page `index` in the page cache (or still in the swap cache), and up to date? */
export function* mincorePage(mapping: AddressSpace, index: number): Steps<boolean> {
  const { host } = mapping;
  const entry = yield* filemapGetEntry(mapping, index);
  if (isSwapEntry(entry)) return yield* swapCacheHas(host, swapEntrySlot(entry));
  if (!isFolio(entry)) return false;
  const pfn = entry as Pfn;
  if (points.on) yield at.page(pfn);
  const uptodate = host.frames.test(pfn, PG_uptodate);
  yield* folioPut(host, pfn);
  return uptodate;
}
