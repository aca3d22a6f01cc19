// Faults on pages of files with a disk (mm/filemap.c: filemap_fault, filemap_map_pages).
//
// fileFault.ts asks for the page, this file finds it in the page cache or reads it there; and maps what else is in
// the cache round about (fault-around), so that the next faults need not come.
//
// Invariants: a page that is answered is locked, in the cache, uptodate and within the file. The first wait is
// without the lock of the fault, then the answer is VM_FAULT_RETRY. Locks: invalidate_lock for read while the cache
// is filled; folio lock.

import { at, points, type Steps } from '../../sched/index.ts';
import { type Hpa, PAGE_SIZE, type Pfn, PTES_PER_PAGE } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import { type File, fput, getFile } from '../filemap/file.ts';
import { filemapGetFolio, folioFilePage, folioInMapping } from '../filemap/filemap.ts';
import {
  newCacheFolio,
  pageCacheAsyncRa,
  readaheadAround,
  readaheadFrom,
  readaheadOfCode,
  readFolioLocked,
} from '../filemap/readahead.ts';
import { countMajorFault } from '../memcg/memcontrol.ts';
import { folioPut, folioUnlockPut } from '../page/folio.ts';
import { PG_locked, PG_readahead, PG_uptodate } from '../page/frames.ts';
import { allocPte, noPteResult } from '../pagetable/pageTable.ts';
import { mkPte, pteMapLock, ptlOf, readPte, setPte } from '../pagetable/pte.ts';
import { addFileRmap } from '../rmap/rmapFile.ts';
import { doSetPmd } from '../thp/fileHugeFault.ts';
import { VM_EXEC, VM_RAND_READ, VM_SEQ_READ } from '../vma/vmFlags.ts';
import { mayDropLock, releaseFaultLock } from './faultLock.ts';
import {
  VM_FAULT_FALLBACK,
  VM_FAULT_LOCKED,
  VM_FAULT_MAJOR,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  type VmFault,
} from './faultTypes.ts';

/** What filemap_fault() has in hand while it goes on. */
class Progress {
  /** The file, pinned because the fault's lock was dropped (fpin). */
  pin: File | null = null;
  invalidateLocked = false;
  major = 0;
}

/** filemap_fault(). */
export function* filemapFault(vmf: VmFault): Steps<number> {
  const mapping = vmf.vma.file!.mapping;
  const { host, invalidateLock } = mapping;
  if (yield* isPastEnd(mapping, vmf.pgoff)) return VM_FAULT_SIGBUS;
  const progress = new Progress();
  let pfn = yield* filemapGetFolio(mapping, vmf.pgoff);
  if (pfn === 0) {
    countMajorFault(host, vmf.vma.mm);
    progress.major = VM_FAULT_MAJOR;
    yield* syncMmapReadahead(vmf, progress);
  } else {
    yield* asyncMmapReadahead(vmf, pfn as Pfn, progress);
    if (points.on) yield at.page(pfn);
    if (!host.frames.test(pfn as Pfn, PG_uptodate)) yield* lockInvalidate(mapping, progress);
  }
  const result = yield* lockUptodate(vmf, mapping, pfn as Pfn | 0, progress);
  if (progress.invalidateLocked) yield* invalidateLock.unlock();
  if (progress.pin !== null) yield* fput(progress.pin);
  if (result !== VM_FAULT_LOCKED) return progress.major | result;
  pfn = vmf.page;
  if (yield* isPastEnd(mapping, vmf.pgoff)) {
    yield* folioUnlockPut(host, pfn as Pfn);
    return VM_FAULT_SIGBUS;
  }
  return progress.major | VM_FAULT_LOCKED;
}

export function* isPastEnd({ inode }: AddressSpace, index: number): Steps<boolean> {
  if (points.on) yield at.sequence(inode.id);
  return index >= Math.ceil(inode.size / PAGE_SIZE);
}

function* lockInvalidate(mapping: AddressSpace, progress: Progress): Steps {
  if (progress.invalidateLocked) return;
  yield* mapping.invalidateLock.lockRead();
  progress.invalidateLocked = true;
}

/** do_sync_mmap_readahead(). */
function* syncMmapReadahead(vmf: VmFault, progress: Progress): Steps {
  const { vma, pgoff } = vmf;
  const file = vma.file!;
  if ((vma.flags & VM_RAND_READ) !== 0) return;
  yield* dropLock(vmf, file, progress);
  if ((vma.flags & VM_SEQ_READ) !== 0) yield* readaheadFrom(file.mapping, pgoff, vma.mm);
  else if ((vma.flags & VM_EXEC) !== 0) yield* readaheadOfCode(vma, pgoff);
  else yield* readaheadAround(file.mapping, pgoff, vma.mm);
}

/** do_async_mmap_readahead(). */
function* asyncMmapReadahead(vmf: VmFault, folio: Pfn, progress: Progress): Steps {
  const { vma, pgoff } = vmf;
  const file = vma.file!;
  if ((vma.flags & VM_RAND_READ) !== 0) return;
  if (points.on) yield at.page(folio);
  if (!file.mapping.host.frames.test(folio, PG_readahead)) return;
  yield* dropLock(vmf, file, progress);
  yield* pageCacheAsyncRa(file.mapping, folio, pgoff, vma.mm);
}

/** maybe_unlock_mmap_for_io(). */
function* dropLock(vmf: VmFault, file: File, progress: Progress): Steps {
  if (progress.pin !== null || !mayDropLock(vmf)) return;
  getFile(file);
  progress.pin = file;
  yield* releaseFaultLock(vmf);
}

/** From "retry_find" on: VM_FAULT_LOCKED with vmf.page set; or what else to answer, with no reference left. */
function* lockUptodate(
  vmf: VmFault,
  mapping: AddressSpace,
  found: Pfn | 0,
  progress: Progress,
): Steps<number> {
  const { host } = mapping;
  const { frames } = host;
  const { pgoff } = vmf;
  const file = vmf.vma.file!;
  for (let pfn = found; ; pfn = 0) {
    if (pfn === 0) {
      yield* lockInvalidate(mapping, progress);
      pfn = ((yield* filemapGetFolio(mapping, pgoff)) ||
        (yield* newCacheFolio(mapping, pgoff, vmf.vma.mm))) as Pfn | 0;
      if (pfn === 0) return progress.pin !== null ? VM_FAULT_RETRY : VM_FAULT_OOM;
    }
    if (!(yield* lockFolioMaybeDropMmap(vmf, file, pfn, progress))) {
      yield* folioPut(host, pfn);
      return VM_FAULT_RETRY;
    }
    if (points.on) yield at.page(pfn);
    const stays = folioInMapping(mapping, pfn);
    const uptodate = frames.test(pfn, PG_uptodate);
    if (stays && uptodate && progress.pin === null) {
      vmf.page = pfn;
      return VM_FAULT_LOCKED;
    }
    if (stays && !uptodate && progress.invalidateLocked) {
      const answer = yield* readIn(vmf, file, pfn, progress);
      if (answer !== 0) return answer;
      continue;
    }
    yield* folioUnlockPut(host, pfn);
    if (stays && uptodate) return VM_FAULT_RETRY;
  }
}

/** lock_folio_maybe_drop_mmap(). */
function* lockFolioMaybeDropMmap(vmf: VmFault, file: File, pfn: Pfn, progress: Progress): Steps<boolean> {
  const { folioLocks } = file.mapping.host;
  if (points.on) yield at.page(pfn);
  if (folioLocks.tryLock(pfn)) return true;
  yield* dropLock(vmf, file, progress);
  yield* folioLocks.lock(pfn);
  return true;
}

/** "page_not_uptodate": reads the folio, which is locked; neither lock nor reference are left. 0: look again. */
function* readIn(vmf: VmFault, file: File, pfn: Pfn, progress: Progress): Steps<number> {
  const { mapping } = file;
  yield* dropLock(vmf, file, progress);
  const error = yield* readFolioLocked(mapping, pfn);
  yield* folioPut(mapping.host, pfn);
  if (progress.pin !== null) return VM_FAULT_RETRY;
  return error === 0 ? 0 : VM_FAULT_SIGBUS;
}

/** fault_around_bytes in pages. */
const FAULT_AROUND_PAGES = 16;

/** do_fault_around(): VM_FAULT_NOPAGE when the page itself was mapped, VM_FAULT_OOM, or 0. */
export function* doFaultAround(vmf: VmFault): Steps<number> {
  const { vma, address, pgoff } = vmf;
  const slot = Math.floor(address / PAGE_SIZE) & (PTES_PER_PAGE - 1);
  const fromVma = pgoff - vma.pgoff;
  const from = Math.max(slot & ~(FAULT_AROUND_PAGES - 1), slot - Math.min(slot, fromVma));
  const to = Math.min(from + FAULT_AROUND_PAGES, PTES_PER_PAGE, slot + vma.pages - fromVma);
  if (vmf.ptep === 0 && vma.file?.mapping.kind === 'shmem') {
    const result = yield* filemapMapPmd(vmf, from - slot, to - slot);
    if (result !== VM_FAULT_FALLBACK) return result;
  }
  if (vmf.ptep === 0) vmf.ptep = yield* allocPte(vma.mm, address);
  if (vmf.ptep <= 0) return noPteResult(vmf.ptep);
  return yield* filemapMapPages(vmf, from - slot, to - slot);
}

/**
 * filemap_map_pmd(): VM_FAULT_NOPAGE when the first page that can be had of [from, to) is of a large folio, which is
 * mapped now; 0 when there is none, and no need for a table; or VM_FAULT_FALLBACK.
 */
function* filemapMapPmd(vmf: VmFault, from: number, to: number): Steps<number> {
  const { mapping } = vmf.vma.file!;
  const { host, iPages } = mapping;
  const { pgoff } = vmf;
  if (points.on) yield at.list(iPages.lock.id);
  for (const index of iPages.indexesIn(pgoff + from, pgoff + to - 1)) {
    const folio = yield* nextUptodateFolio(mapping, index);
    if (folio === 0) continue;
    const mapped = (yield* doSetPmd(vmf, folio, false)) === 0;
    if (points.on) yield at.page(folio);
    host.folioLocks.unlock(folio);
    if (!mapped) yield* folioPut(host, folio);
    return mapped ? VM_FAULT_NOPAGE : VM_FAULT_FALLBACK;
  }
  return 0;
}

/** filemap_map_pages(): maps what is in the cache of the pages [from, to), counted from the one that faulted. */
function* filemapMapPages(vmf: VmFault, from: number, to: number): Steps<number> {
  const { vma, pgoff, ptep } = vmf;
  const { mapping } = vma.file!;
  const { host, iPages } = mapping;
  let mapped = 0;
  if (points.on) yield at.list(iPages.lock.id);
  const indexes = iPages.indexesIn(pgoff + from, pgoff + to - 1);
  if (indexes.length === 0) return 0;
  if (!(yield* pteMapLock(vma.mm, vmf.address, ptep))) return 0;
  for (const index of indexes) {
    const entry = (ptep + (index - pgoff) * 8) as Hpa;
    if (points.on) yield at.pte(entry);
    if (readPte(host, entry) !== 0) continue;
    const folio = yield* nextUptodateFolio(mapping, index);
    if (folio === 0) continue;
    const page = folioFilePage(host, folio, index);
    yield* addFileRmap(vma, page);
    if (points.on) yield at.pte(entry);
    setPte(host, entry, mkPte(page, vma));
    if (index === pgoff) mapped = VM_FAULT_NOPAGE;
    if (points.on) yield at.page(folio);
    host.folioLocks.unlock(folio);
  }
  yield* ptlOf(host, ptep).unlock();
  return mapped;
}

/** next_uptodate_folio(): locked, with a reference for the PTE; 0 when it cannot be had at once. */
function* nextUptodateFolio(mapping: AddressSpace, index: number): Steps<Pfn | 0> {
  const { host } = mapping;
  const pfn = (yield* filemapGetFolio(mapping, index)) as Pfn | 0;
  if (pfn === 0) return 0;
  if (points.on) yield at.page(pfn);
  if (!host.frames.test(pfn, PG_locked) && host.folioLocks.tryLock(pfn)) {
    const isReady = host.frames.test(pfn, PG_uptodate) && !host.frames.test(pfn, PG_readahead);
    const usable = isReady && folioInMapping(mapping, pfn);
    if (usable && !(yield* isPastEnd(mapping, index))) return pfn;
    if (points.on) yield at.page(pfn);
    host.folioLocks.unlock(pfn);
  }
  yield* folioPut(host, pfn);
  return 0;
}
