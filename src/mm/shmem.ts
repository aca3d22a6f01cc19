// shmem: objects whose pages have no file behind them, and are swapped (mm/shmem.c).
//
// MAP_SHARED | MAP_ANONYMOUS gets one all to itself, which fork shares; memfdCreate() makes one to be mapped by name.
// Faults and read() get pages here, reclaim writes them out (shmemWriteout.ts).
//
// Invariants: a page is a folio in the page cache, or a swap entry in its place, whose slot counts one reference for
// it; or there is none, and it reads as zeros. A folio on its way to swap leaves the page cache for the swap cache at
// once.
// Locks: as filemap.ts; a swap entry is exchanged under i_pages, by who holds the lock of the folio that takes its
// place or leaves it. Who punches a hole holds off faults in it (inode->i_private).

import { at, points, type Steps, WaitQueue } from '../sched/index.ts';
import { bug, Errno, type Hpa, PAGE_SIZE, type Pfn, pfnToHpa, type SwapSlot } from '../units.ts';
import { AddressSpace, type AddressSpaceOps } from './addressSpace.ts';
import { chargeCommit, unchargeCommit } from './commit.ts';
import {
  VM_FAULT_LOCKED,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  type VmFault,
} from './faultTypes.ts';
import { File } from './file.ts';
import {
  EXISTS,
  filemapAddFolio,
  filemapGetEntry,
  filemapLockFolio,
  filemapRemoveFolio,
  folioInMapping,
} from './filemap.ts';
import { folioMarkDirty, folioPut } from './folio.ts';
import { PG_swapbacked, PG_swapcache, PG_uptodate, PG_writeback } from './frames.ts';
import type { Host } from './host.ts';
import { isFolio, isSwapEntry, swapEntrySlot } from './iPages.ts';
import { countMajorFault, folioLruvec } from './memcontrol.ts';
import type { Mm } from './mmStruct.ts';
import { allocFilePage } from './pageAlloc.ts';
import { folioFreeSwap, freeSwapAndCache, swapCacheGetFolio, swapFree } from './swapCache.ts';
import { swapinReadahead } from './swapReadahead.ts';
import { truncateInodeFolio, unmapMappingPages } from './truncate.ts';
import { VM_NORESERVE } from './vmFlags.ts';

/** struct shmem_inode_info. */
class ShmemInfo {
  /** Pages charged to the commit limit; null: each object is charged nothing. */
  charged: number | null;
  /** The hole [first, next) that is being punched. */
  punching: { readonly first: number; readonly next: number } | null = null;
  readonly wait: WaitQueue;

  constructor(host: Host, charged: number | null) {
    this.charged = charged;
    this.wait = new WaitQueue(host.sched, 'shmem_falloc');
  }
}

/** shmem_zero_setup(): an object of `bytes`, with one reference; null when its size cannot be charged. */
export function shmemKernelFileSetup(host: Host, bytes: number, vmFlags: number): File | null {
  const pages = Math.ceil(bytes / PAGE_SIZE);
  const isCharged = (vmFlags & VM_NORESERVE) === 0;
  if (isCharged && !chargeCommit(host, pages)) return null;
  return newObject(host, bytes, new ShmemInfo(host, isCharged ? pages : null));
}

/** memfd_create(2) and ftruncate(2) to `bytes`: an object that is open once. */
export const memfdCreate = (host: Host, bytes: number): File =>
  newObject(host, bytes, new ShmemInfo(host, null));

const newObject = (host: Host, bytes: number, info: ShmemInfo): File =>
  new File(new AddressSpace(host, shmemOps(info), bytes));

const shmemOps = (info: ShmemInfo): AddressSpaceOps => ({
  kind: 'shmem',
  fault: (vmf) => shmemFault(info, vmf),
  pageMkwrite: null,
  readFolio: ({ id }) => bug('shmem has no device', { mapping: id }),
  writeFolio: ({ id }) => bug('shmem is written out by reclaim alone', { mapping: id }),
  writeBegin: (mapping, index) => shmemGetFolio(mapping, index, 'write', null),
  readPage: shmemReadPage,
  setSize: (mapping, size) => shmemSetSize(info, mapping, size),
  punchHole: (mapping, start, end) => shmemPunchHole(info, mapping, start, end),
  evict: (mapping) => shmemEvict(info, mapping),
  inspect: (_mapping, _index, into) => into.fill(0).length > 0,
});

/** enum sgp_type: what is wanted of a page. write: also beyond the end of the object. */
type Sgp = 'read' | 'cache' | 'write';

/** Answers of the functions here that are neither a folio nor an errno. */
const HOLE = 0;
const REPEAT = 'repeat';

/** shmem_get_folio_gfp(): the folio, locked and referenced; HOLE (`read`); -EINVAL (beyond the end), -ENOMEM, -EIO. */
function* shmemGetFolio(mapping: AddressSpace, index: number, sgp: Sgp, mm: Mm | null): Steps<number> {
  for (;;) {
    if (sgp !== 'write' && (yield* isBeyondEnd(mapping, index))) return -Errno.EINVAL;
    const entry = yield* filemapGetEntry(mapping, index);
    let found: number | typeof REPEAT;
    if (isSwapEntry(entry)) found = yield* shmemSwapinFolio(mapping, index, entry, mm);
    else if (isFolio(entry)) found = yield* lockFound(mapping, entry as Pfn);
    else if (sgp === 'read') return HOLE;
    else found = yield* allocAndAdd(mapping, index, sgp, mm);
    if (found !== REPEAT) return found;
  }
}

function* isBeyondEnd({ inode }: AddressSpace, index: number): Steps<boolean> {
  if (points.on) yield at.sequence(inode.id);
  return index * PAGE_SIZE >= inode.size;
}

/** A folio of the page cache; REPEAT when it was truncated or swapped out before its lock was had. */
function* lockFound(mapping: AddressSpace, pfn: Pfn): Steps<number | typeof REPEAT> {
  const { folioLocks } = mapping.host;
  yield* folioLocks.lock(pfn);
  if (points.on) yield at.page(pfn);
  if (folioInMapping(mapping, pfn)) return pfn;
  return yield* letGo(mapping.host, pfn, REPEAT);
}

function* letGo<T>(host: Host, pfn: Pfn, answer: T): Steps<T> {
  if (points.on) yield at.page(pfn);
  host.folioLocks.unlock(pfn);
  yield* folioPut(host, pfn);
  return answer;
}

/** shmem_alloc_and_add_folio(): a new page of zeros. */
function* allocAndAdd(
  mapping: AddressSpace,
  index: number,
  sgp: Sgp,
  mm: Mm | null,
): Steps<number | typeof REPEAT> {
  const { host } = mapping;
  const pfn = yield* allocFilePage(host, mm);
  if (pfn === null) return -Errno.ENOMEM;
  if (points.on) yield at.page(pfn);
  host.folioLocks.tryLock(pfn);
  host.frames.set(pfn, PG_swapbacked | PG_uptodate);
  host.memory.zero(pfn);
  if ((yield* filemapAddFolio(mapping, pfn, index, 0)) === EXISTS) return yield* letGo(host, pfn, REPEAT);
  yield* folioLruvec(host, pfn).add(pfn);
  // Perhaps the object was truncated since its size was looked at.
  if (sgp === 'write' || !(yield* isBeyondEnd(mapping, index))) return pfn;
  yield* filemapRemoveFolio(mapping, pfn);
  return yield* letGo(host, pfn, -Errno.EINVAL);
}

/** shmem_swapin_folio(): the page comes back from the swap cache, or from the device by way of it. */
function* shmemSwapinFolio(
  mapping: AddressSpace,
  index: number,
  entry: number,
  mm: Mm | null,
): Steps<number | typeof REPEAT> {
  const { host } = mapping;
  const slot = swapEntrySlot(entry);
  let pfn = (yield* swapCacheGetFolio(host, slot)) as Pfn | 0;
  if (pfn === 0) {
    countMajorFault(host, mm);
    pfn = ((yield* swapinReadahead(host, mm, slot)) ?? 0) as Pfn | 0;
  }
  if (pfn === 0) return (yield* holdsEntry(mapping, index, entry)) ? -Errno.ENOMEM : REPEAT;
  yield* host.folioLocks.lock(pfn);
  if (points.on) yield at.page(pfn);
  const isOurs = host.frames.test(pfn, PG_swapcache) && host.frames.private[pfn] === slot;
  if (!isOurs || !(yield* holdsEntry(mapping, index, entry))) return yield* letGo(host, pfn, REPEAT);
  if (points.on) yield at.page(pfn);
  if (!host.frames.test(pfn, PG_uptodate)) {
    if (mm !== null) mm.swapError = { slot, errno: host.swapIo.readErrors.get(slot) ?? Errno.EIO };
    return yield* letGo(host, pfn, -Errno.EIO);
  }
  yield* host.folioLocks.wait(pfn, PG_writeback);
  if ((yield* filemapAddFolio(mapping, pfn, index, entry)) === EXISTS) return yield* letGo(host, pfn, REPEAT);
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

/** shmem_fault(). */
function* shmemFault(info: ShmemInfo, vmf: VmFault): Steps<number> {
  const { mm, file } = vmf.vma;
  const { mapping } = file!;
  // shmem_falloc_wait(): otherwise a hole that is refilled as fast as it is punched would never be done.
  yield* info.wait.until(() => !isPunching(info, vmf.pgoff));
  const majorBefore = mm.host.vmstat.pgmajfault;
  const found = yield* shmemGetFolio(mapping, vmf.pgoff, 'cache', mm);
  if (found < 0) return found === -Errno.ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
  vmf.page = found;
  return VM_FAULT_LOCKED | (mm.host.vmstat.pgmajfault > majorBefore ? VM_FAULT_MAJOR : 0);
}

const isPunching = ({ punching }: ShmemInfo, index: number): boolean =>
  punching !== null && index >= punching.first && index < punching.next;

/** shmem_file_read_iter() of one page. */
function* shmemReadPage(mapping: AddressSpace, index: number): Steps<number> {
  const { host } = mapping;
  const found = yield* shmemGetFolio(mapping, index, 'read', null);
  if (found === -Errno.EINVAL) return HOLE;
  if (found <= 0) return found;
  if (points.on) yield at.page(found);
  host.folioLocks.unlock(found as Pfn);
  return found;
}

/** shmem_undo_range(): the bytes [start, end) are zeros from now on; whole pages and swap entries go. */
function* shmemUndoRange(mapping: AddressSpace, start: number, end: number): Steps {
  const first = Math.ceil(start / PAGE_SIZE);
  const stop = Math.floor(end / PAGE_SIZE);
  yield* removePages(mapping, first, stop);
  const [head, tail] = [start % PAGE_SIZE, end % PAGE_SIZE];
  if (head !== 0)
    yield* zeroPartial(mapping, first - 1, head, Math.min(PAGE_SIZE, end - (first - 1) * PAGE_SIZE));
  if (Number.isFinite(end) && tail !== 0 && stop >= first) yield* zeroPartial(mapping, stop, 0, tail);
}

function* removePages(mapping: AddressSpace, first: number, stop: number): Steps {
  const { iPages, host } = mapping;
  for (;;) {
    if (points.on) yield at.list(iPages.lock.id);
    const indexes = iPages.indexesIn(first, stop - 1);
    if (indexes.length === 0) return;
    for (const index of indexes) {
      const pfn = (yield* filemapLockFolio(mapping, index)) as Pfn | 0;
      if (pfn === 0) yield* shmemFreeSwap(mapping, index);
      else {
        yield* host.folioLocks.wait(pfn, PG_writeback);
        yield* truncateInodeFolio(mapping, pfn);
      }
    }
  }
}

/** shmem_free_swap(): the entry goes, if it is one and still there. */
function* shmemFreeSwap({ iPages, host }: AddressSpace, index: number): Steps {
  yield* iPages.lock.lock();
  if (points.on) yield at.list(iPages.lock.id);
  const entry = iPages.load(index);
  if (!isFolio(entry)) iPages.store(index, 0);
  yield* iPages.lock.unlock();
  if (isSwapEntry(entry)) yield* freeSwapAndCache(host, swapEntrySlot(entry));
}

/** shmem_get_partial_folio() and truncate_inode_partial_folio(): a page that stays, if there is one. */
function* zeroPartial(mapping: AddressSpace, index: number, from: number, to: number): Steps {
  const { host } = mapping;
  const found = yield* shmemGetFolio(mapping, index, 'read', null);
  if (found <= 0) return;
  const pfn = found as Pfn;
  if (points.on) yield at.page(pfn);
  host.memory.writeBytes((pfnToHpa(pfn) + from) as Hpa, new Uint8Array(to - from));
  folioMarkDirty(host, pfn);
  yield* letGo(host, pfn, 0);
}

/** shmem_setattr(ATTR_SIZE): i_rwsem is held for write. */
function* shmemSetSize(info: ShmemInfo, mapping: AddressSpace, size: number): Steps<number> {
  const { inode } = mapping;
  inode.rwsem.assertHeld();
  if (points.on) yield at.sequence(inode.id);
  const old = inode.size;
  if (!recharge(info, mapping.host, Math.ceil(size / PAGE_SIZE))) return -Errno.ENOMEM;
  if (points.on) yield at.sequence(inode.id);
  inode.setSize(size);
  if (size > old) return 0;
  const first = Math.ceil(size / PAGE_SIZE);
  const pages = Math.ceil(old / PAGE_SIZE) - first;
  yield* unmapMappingPages(mapping, first, pages, true);
  yield* shmemUndoRange(mapping, size, Number.POSITIVE_INFINITY);
  // A private copy may have been made of a page that was still there the first time.
  yield* unmapMappingPages(mapping, first, pages, true);
  return 0;
}

/** shmem_reacct_size(). */
function recharge(info: ShmemInfo, host: Host, pages: number): boolean {
  if (info.charged === null) return true;
  if (pages > info.charged && !chargeCommit(host, pages - info.charged)) return false;
  if (pages < info.charged) unchargeCommit(host, info.charged - pages);
  info.charged = pages;
  return true;
}

/** shmem_fallocate(FALLOC_FL_PUNCH_HOLE): i_rwsem is held for write. */
function* shmemPunchHole(info: ShmemInfo, mapping: AddressSpace, start: number, end: number): Steps<number> {
  mapping.inode.rwsem.assertHeld();
  const first = Math.ceil(start / PAGE_SIZE);
  const next = Math.floor(end / PAGE_SIZE);
  info.punching = { first, next };
  yield* unmapMappingPages(mapping, first, next - first, false);
  yield* shmemUndoRange(mapping, start, end);
  // No need to unmap again: punching leaves private copies.
  info.punching = null;
  info.wait.wakeAll();
  return 0;
}

/** shmem_evict_inode(). */
function* shmemEvict(info: ShmemInfo, mapping: AddressSpace): Steps {
  recharge(info, mapping.host, 0);
  yield* shmemUndoRange(mapping, 0, Number.POSITIVE_INFINITY);
  mapping.host.addressSpaces.remove(mapping);
}
