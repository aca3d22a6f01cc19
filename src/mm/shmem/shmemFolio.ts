// Getting a page of a shmem object: the folio that has it, from the page cache, from swap, or a new one of zeros
// (mm/shmem.c: shmem_get_folio_gfp).
//
// Faults, read() and write() come here (shmem.ts), and who zeroes a part of a page (shmemTruncate.ts) or collapses pages
// (collapseFile.ts).
//
// Invariants and locks: shmem.ts. A huge folio takes its place in the cache only where nothing of its 2 MiB is.

import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hva, PAGE_SIZE, type Pfn, type SwapSlot } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import {
  EXISTS,
  filemapAddFolio,
  filemapGetEntry,
  filemapRemoveFolio,
  folioInMapping,
} from '../filemap/filemap.ts';
import { isFolio, isSwapEntry, makeSwapEntry, swapEntrySlot } from '../filemap/iPages.ts';
import type { Host } from '../host.ts';
import { countMajorFault, folioLruvec } from '../memcg/memcontrol.ts';
import { folioMarkDirty, folioPut, folioUnlockPut } from '../page/folio.ts';
import { PG_swapbacked, PG_swapcache, PG_uptodate, PG_writeback } from '../page/frames.ts';
import { HPAGE_PMD_NR } from '../page/largeFolio.ts';
import { allocFilePage, allocHugePage } from '../page/pageAlloc.ts';
import { folioFreeSwap, swapCacheGetFolio, swapFree } from '../swap/swapCache.ts';
import { swapinReadahead } from '../swap/swapReadahead.ts';
import { isShmemHugeAllowed, isThpSuitable } from '../thp/thp.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_HUGEPAGE, VM_UFFD_MINOR, VM_UFFD_MISSING } from '../vma/vmFlags.ts';

/** enum sgp_type: what is wanted of a page. noalloc: what is there; write: also beyond the end of the object. */
type Sgp = 'read' | 'noalloc' | 'cache' | 'write';

/** Who wants it: a fault, or nobody's process. */
export interface ShmemUser {
  readonly vma: Vma;
  /** Where it is going to be mapped. */
  readonly address: Hva;
}

/** Answers of the functions here that are neither a folio nor an errno. */
export const HOLE = 0;
const REPEAT = 'repeat';

/**
 * shmem_get_folio_gfp(): the folio that has page `index`, locked and referenced; HOLE (`read`); -ENOENT (`noalloc`:
 * there is none), -EINVAL (beyond the end), -ENOMEM, -EIO; of a fault -VM_UFFD_MISSING or -VM_UFFD_MINOR, if a
 * userfaultfd is to be asked. `behind`: as FolioLocks.lock().
 */
export function* shmemGetFolio(
  mapping: AddressSpace,
  index: number,
  sgp: Sgp,
  user: ShmemUser | null,
  behind = false,
): Steps<number> {
  const mm = user?.vma.mm ?? null;
  for (;;) {
    if (sgp !== 'write' && (yield* isBeyondEnd(mapping, index))) return -Errno.EINVAL;
    const entry = yield* filemapGetEntry(mapping, index);
    const wanted = yield* userfaultOf(mapping, entry, user);
    if (wanted !== 0) return -wanted;
    let found: number | typeof REPEAT;
    if (isSwapEntry(entry)) found = yield* shmemSwapinFolio(mapping, index, entry, mm, behind);
    else if (isFolio(entry)) found = yield* lockFound(mapping, entry as Pfn, behind);
    else if (sgp === 'read') return HOLE;
    else if (sgp === 'noalloc') return -Errno.ENOENT;
    else found = yield* allocAndAdd(mapping, index, sgp, user);
    if (found !== REPEAT) return found;
  }
}

/** Whether somebody else has to be asked, and what for: nothing is there, or it is but is not mapped. */
function* userfaultOf({ host }: AddressSpace, entry: number, user: ShmemUser | null): Steps<number> {
  if (user === null || user.vma.userfaultfd === null) return 0;
  const { flags } = user.vma;
  if (!isFolio(entry) && !isSwapEntry(entry)) return flags & VM_UFFD_MISSING;
  if ((flags & VM_UFFD_MINOR) === 0) return 0;
  if (isFolio(entry)) yield* folioPut(host, entry as Pfn);
  return VM_UFFD_MINOR;
}

function* isBeyondEnd({ inode }: AddressSpace, index: number): Steps<boolean> {
  if (points.on) yield at.sequence(inode.id);
  return index * PAGE_SIZE >= inode.size;
}

/** A folio of the page cache; REPEAT when it was truncated, split or swapped out before its lock was had. */
function* lockFound(mapping: AddressSpace, pfn: Pfn, behind: boolean): Steps<number | typeof REPEAT> {
  const { host } = mapping;
  yield* host.folioLocks.lock(pfn, behind);
  if (points.on) yield at.page(pfn);
  if (folioInMapping(mapping, pfn)) return pfn;
  yield* folioUnlockPut(host, pfn);
  return REPEAT;
}

/** shmem_alloc_and_add_folio(): a new folio of zeros, a huge one where that may be had. */
function* allocAndAdd(
  mapping: AddressSpace,
  index: number,
  sgp: Sgp,
  user: ShmemUser | null,
): Steps<number | typeof REPEAT> {
  const { host, inode } = mapping;
  if (points.on) yield at.sequence(inode.id);
  const mayBeHuge = isShmemHugeAllowed(host, user?.vma.flags ?? 0, index, inode.size);
  const huge = mayBeHuge ? yield* allocHuge(mapping, index, user) : null;
  const pfn = huge ?? (yield* allocFilePage(host, user?.vma.mm ?? null));
  if (pfn === null) return -Errno.ENOMEM;
  if (points.on) yield at.page(pfn);
  host.folioLocks.tryLock(pfn);
  host.frames.set(pfn, PG_swapbacked | PG_uptodate);
  const pages = host.frames.nrPages(pfn);
  host.memory.zero(pfn, pages);
  if ((yield* filemapAddFolio(mapping, pfn, index - (index % pages), 0)) === EXISTS) {
    yield* folioUnlockPut(host, pfn);
    return REPEAT;
  }
  yield* folioLruvec(host, pfn).add(pfn);
  if (huge !== null) host.vmstat.thp_file_alloc++;
  // Perhaps the object was truncated since its size was looked at.
  if (sgp === 'write' || !(yield* isBeyondEnd(mapping, index))) return pfn;
  yield* filemapRemoveFolio(mapping, pfn);
  yield* folioUnlockPut(host, pfn);
  return -Errno.EINVAL;
}

/** shmem_suitable_orders() and shmem_alloc_folio(): null, where a small one has to do. */
function* allocHuge(mapping: AddressSpace, index: number, user: ShmemUser | null): Steps<Pfn | null> {
  const { host, iPages } = mapping;
  if (user !== null && !isThpSuitable(user.vma, user.address)) return null;
  if (points.on) yield at.list(iPages.lock.id);
  if (iPages.isTaken(index - (index % HPAGE_PMD_NR), HPAGE_PMD_NR)) return null;
  // transparent_hugepage/defrag: madvise.
  const direct = ((user?.vma.flags ?? 0) & VM_HUGEPAGE) !== 0;
  const folio = yield* allocHugePage(host, user?.vma.mm ?? null, direct);
  if (folio === null) host.vmstat.thp_file_fallback++;
  return folio;
}

/** shmem_swapin_folio(): the page comes back from the swap cache, or from the device by way of it. */
function* shmemSwapinFolio(
  mapping: AddressSpace,
  index: number,
  entry: number,
  mm: Mm | null,
  behind: boolean,
): Steps<number | typeof REPEAT> {
  const { host } = mapping;
  const slot = swapEntrySlot(entry);
  let pfn = (yield* swapCacheGetFolio(host, slot)) as Pfn | 0;
  if (pfn === 0) {
    countMajorFault(host, mm);
    pfn = ((yield* swapinReadahead(host, mm, slot)) ?? 0) as Pfn | 0;
  }
  if (pfn === 0) return (yield* holdsEntry(mapping, index, entry)) ? -Errno.ENOMEM : REPEAT;
  yield* host.folioLocks.lock(pfn, behind);
  const moved = yield* moveFromSwapCache(mapping, index, pfn, slot, mm);
  if (moved !== pfn) yield* folioUnlockPut(host, pfn);
  return moved;
}

/** The rest of it, with the folio locked: into the page cache, in the place of the entry of its slot. */
function* moveFromSwapCache(
  mapping: AddressSpace,
  index: number,
  pfn: Pfn,
  slot: SwapSlot,
  mm: Mm | null,
): Steps<number | typeof REPEAT> {
  const { host } = mapping;
  const entry = makeSwapEntry(slot);
  if (points.on) yield at.page(pfn);
  const isOurs = host.frames.test(pfn, PG_swapcache) && host.frames.private[pfn] === slot;
  if (!isOurs || !(yield* holdsEntry(mapping, index, entry))) return REPEAT;
  if (points.on) yield at.page(pfn);
  if (!host.frames.test(pfn, PG_uptodate)) {
    if (mm !== null) mm.swapError = { slot, errno: host.swapIo.readErrors.get(slot) ?? Errno.EIO };
    return -Errno.EIO;
  }
  yield* host.folioLocks.wait(pfn, PG_writeback);
  if ((yield* filemapAddFolio(mapping, pfn, index, entry)) === EXISTS) return REPEAT;
  yield* leaveSwapCache(host, pfn, slot);
  return pfn;
}

/** shmem_confirm_swap(). */
function* holdsEntry({ iPages }: AddressSpace, index: number, entry: number): Steps<boolean> {
  if (points.on) yield at.list(iPages.lock.id);
  return iPages.load(index) === entry;
}

/** swap_free() and delete_from_swap_cache(): the page cache has it now, and nothing else has its content. */
function* leaveSwapCache(host: Host, pfn: Pfn, slot: SwapSlot): Steps {
  yield* swapFree(host, slot);
  yield* folioFreeSwap(host, pfn);
  if (points.on) yield at.page(pfn);
  folioMarkDirty(host, pfn);
}
