// Collapsing 2 MiB of a shmem object into a huge folio (mm/khugepaged.c: hpage_collapse_scan_file, collapse_file).
//
// collapse.ts comes here where the memory is of an object; whoever maps it has it page by page until then. Its mappings
// become huge by faults, or by collapsePteMapped.ts for who has asked.
//
// Order (reference table row 16c): look, with no lock; allocate; for each page: locked, off the LRU, unmapped everywhere
// (each mapping between its start and end), its references counted; CPUs flushed; copied; i_pages: nothing has filled a
// hole meanwhile, the huge folio in the place of all; page tables retracted; unlock; the old pages go. If a page cannot be
// had all go back to where they were, unmapped.
// Locks: all folio locks by trylock, but that of a page that is swapped in; below them i_mmap_rwsem for read, i_pages.

import { at, points, type Steps } from '../../sched/index.ts';
import { Scan } from '../../trace/index.ts';
import type { Hva, Pfn } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import {
  accountCached,
  accountHuge,
  filemapGetEntry,
  folioFilePage,
  folioInMapping,
} from '../filemap/filemap.ts';
import { isFolio, isSwapEntry } from '../filemap/iPages.ts';
import type { Host } from '../host.ts';
import { folioLruvec } from '../memcg/memcontrol.ts';
import { folioPut, folioPutbackLru, folioUnlockPut } from '../page/folio.ts';
import { PG_active, PG_dirty, PG_lru, PG_swapbacked, PG_unevictable, PG_uptodate } from '../page/frames.ts';
import { HPAGE_PMD_NR } from '../page/largeFolio.ts';
import { TlbUnmapBatch } from '../pagetable/tlbFlush.ts';
import { tryToUnmap } from '../rmap/tryToUnmap.ts';
import { shmemGetFolio } from '../shmem/shmemFolio.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { VM_UFFD_MISSING } from '../vma/vmFlags.ts';
import { allocChargeFolio, type Collapse } from './collapsePages.ts';
import { retractPageTables } from './collapsePteMapped.ts';

/**
 * hpage_collapse_scan_file(): of the object `mapping`, which the caller has a reference to, the 2 MiB from page `start`,
 * which `mm` maps at `address`. SCAN_*; PTE_MAPPED_HUGEPAGE also when the huge folio is there already.
 */
export function* collapseScanFile(
  collapse: Collapse,
  mm: Mm,
  address: Hva,
  mapping: AddressSpace,
  start: number,
): Steps<number> {
  const { isKhugepaged } = collapse;
  const { host, iPages } = mapping;
  const { khugepaged, vmstat } = host;
  let status: number = Scan.SUCCEED;
  let [present, swap, pfn] = [0, 0, -1];
  if (points.on) yield at.list(iPages.lock.id);
  for (const index of iPages.indexesIn(start, start + HPAGE_PMD_NR - 1)) {
    const entry = yield* filemapGetEntry(mapping, index);
    if (isSwapEntry(entry)) swap++;
    if (isKhugepaged && swap > khugepaged.maxPtesSwap) {
      status = Scan.EXCEED_SWAP_PTE;
      vmstat.thp_scan_exceed_swap_pte++;
    }
    if (isFolio(entry)) {
      pfn = entry;
      status = yield* unfit(host, entry as Pfn);
      yield* folioPut(host, entry as Pfn);
      if (status === Scan.SUCCEED) present++;
    }
    if (status !== Scan.SUCCEED) break;
  }
  if (status === Scan.SUCCEED && isKhugepaged && present < HPAGE_PMD_NR - khugepaged.maxPtesNone) {
    status = Scan.EXCEED_NONE_PTE;
    vmstat.thp_scan_exceed_none_pte++;
  }
  if (status === Scan.SUCCEED) status = yield* collapseFile(collapse, mm, address, mapping, start);
  host.trace.mm_khugepaged_scan_file?.(mm.id, pfn, mapping.ops.traceName ?? 0, present, swap, status);
  return status;
}

/** What speaks against a folio that the caller has a reference to, or SCAN_SUCCEED. */
function* unfit({ frames }: Host, folio: Pfn): Steps<number> {
  if (points.on) yield at.page(folio);
  if (frames.order[folio] !== 0) return Scan.PTE_MAPPED_HUGEPAGE;
  if (!frames.test(folio, PG_lru)) return Scan.PAGE_LRU;
  // folio_expected_ref_count(): its mappings, and the page cache.
  return frames.count(folio) === frames.maps(folio) + 2 ? Scan.SUCCEED : Scan.PAGE_COUNT;
}

/** The pages that are isolated and locked, each with a reference; and how many holes are between them. */
interface Taken {
  readonly folios: Pfn[];
  holes: number;
  status: number;
  /** The page that was looked at last. */
  index: number;
}

/** collapse_file(). */
function* collapseFile(
  collapse: Collapse,
  mm: Mm,
  address: Hva,
  mapping: AddressSpace,
  start: number,
): Steps<number> {
  const { host } = mapping;
  const { folio, scan } = yield* allocChargeFolio(collapse, mm);
  const taken =
    folio === null ? { folios: [], holes: 0, status: scan, index: 0 } : yield* takePages(mapping, start);
  if (folio !== null) yield* putInPlace(mapping, start, folio, taken);
  // Who asked is to have it mapped: his mapping has no table now, or one of nothing.
  if (!collapse.isKhugepaged && taken.status === Scan.SUCCEED) taken.status = Scan.PTE_MAPPED_HUGEPAGE;
  const { status, index } = taken;
  const isShmem = Number(mapping.kind === 'shmem');
  host.trace.mm_khugepaged_collapse_file?.(
    mm.id,
    folio ?? -1,
    index,
    address,
    isShmem,
    mapping.ops.traceName ?? 0,
    HPAGE_PMD_NR,
    status,
  );
  return status;
}

/** The first loop of collapse_file(), and try_to_unmap_flush(): what it answers with another status is to be put back. */
function* takePages(mapping: AddressSpace, start: number): Steps<Taken> {
  const { host, iPages } = mapping;
  const taken: Taken = { folios: [], holes: 0, status: Scan.SUCCEED, index: start };
  const batch = new TlbUnmapBatch(host);
  const end = start + HPAGE_PMD_NR;
  while (taken.index < end && taken.status === Scan.SUCCEED) {
    if (points.on) yield at.list(iPages.lock.id);
    if (iPages.load(taken.index) !== 0) taken.status = yield* takePage(mapping, taken, batch);
    // Nothing left since it was looked at.
    else if (taken.index === start && !iPages.isTaken(start, HPAGE_PMD_NR)) taken.status = Scan.TRUNCATED;
    else taken.holes++;
    if (taken.status === Scan.SUCCEED) taken.index++;
  }
  yield* batch.flush();
  return taken;
}

/** One page: locked, isolated, unmapped, and nobody else's. */
function* takePage(mapping: AddressSpace, taken: Taken, batch: TlbUnmapBatch): Steps<number> {
  const { host } = mapping;
  const found = yield* lockPage(mapping, taken.index);
  if (found <= 0) return found === LOCKED_BY_OTHERS ? Scan.PAGE_LOCK : Scan.FAIL;
  const folio = found as Pfn;
  const status = yield* isolateUnmapped(mapping, folio, batch);
  if (status === Scan.SUCCEED) taken.folios.push(folio);
  else yield* folioUnlockPut(host, folio);
  return status;
}

/** The folio, which is locked, off the LRU and mapped by nobody; SCAN_*. */
function* isolateUnmapped(mapping: AddressSpace, folio: Pfn, batch: TlbUnmapBatch): Steps<number> {
  const { host, iPages } = mapping;
  const { frames } = host;
  if (points.on) yield at.page(folio);
  if (frames.order[folio] !== 0) return Scan.PTE_MAPPED_HUGEPAGE;
  if (!folioInMapping(mapping, folio)) return Scan.TRUNCATED;
  if (!(yield* folioLruvec(host, folio).isolate(folio))) return Scan.DEL_PAGE_LRU;
  yield* tryToUnmap(host, folio, batch, true);
  yield* iPages.lock.lock();
  // This task's, the isolation's and the page cache's: who comes now must look it up there, and lock it.
  if (points.on) yield at.page(folio);
  const isOurs = frames.count(folio) === 3;
  yield* iPages.lock.unlock();
  if (isOurs) return Scan.SUCCEED;
  yield* folioPutbackLru(host, folio);
  return Scan.PAGE_COUNT;
}

/** Answer of lockPage(). */
const LOCKED_BY_OTHERS = -1;

/** The folio that has the page, locked and referenced, from swap if need be; LOCKED_BY_OTHERS; 0: it cannot be had. */
function* lockPage(mapping: AddressSpace, index: number): Steps<number> {
  const { host, iPages } = mapping;
  const { frames, folioLocks } = host;
  yield* iPages.lock.lock();
  if (points.on) yield at.list(iPages.lock.id);
  const entry = iPages.load(index);
  let locked = false;
  if (isFolio(entry)) {
    if (points.on) yield at.page(entry);
    locked = folioLocks.tryLock(entry as Pfn);
    if (locked) frames.get(entry as Pfn);
  }
  yield* iPages.lock.unlock();
  if (isFolio(entry)) return locked ? entry : LOCKED_BY_OTHERS;
  return Math.max(0, yield* shmemGetFolio(mapping, index, 'noalloc', null, true));
}

/** The rest of collapse_file(): the huge folio takes the place of the pages, or all goes back. Sets `taken.status`. */
function* putInPlace(mapping: AddressSpace, start: number, folio: Pfn, taken: Taken): Steps {
  const { host, iPages } = mapping;
  const { frames, folioLocks } = host;
  if (points.on) yield at.page(folio);
  folioLocks.tryLock(folio);
  frames.set(folio, PG_swapbacked);
  if (taken.status === Scan.SUCCEED) yield* copyPages(host, folio, taken.folios);
  if (taken.status === Scan.SUCCEED) taken.status = yield* lockUnlessFilled(mapping, start, taken.holes);
  if (taken.status !== Scan.SUCCEED) {
    yield* rollback(host, taken.folios);
    yield* folioUnlockPut(host, folio);
    return;
  }
  accountHuge(host, 1);
  accountCached(mapping, taken.holes);
  if (points.on) yield at.page(folio);
  frames.index[folio] = start;
  frames.mapping[folio] = -mapping.id;
  frames.set(folio, PG_uptodate | PG_dirty);
  // The allocation's reference becomes one of the page cache's.
  frames.getMany(folio, HPAGE_PMD_NR - 1);
  yield* folioLruvec(host, folio).add(folio);
  if (points.on) yield at.list(iPages.lock.id);
  iPages.store(start, folio, HPAGE_PMD_NR);
  yield* iPages.lock.unlock();
  yield* retractPageTables(mapping, start);
  if (points.on) yield at.page(folio);
  folioLocks.unlock(folio);
  yield* freeOld(host, taken.folios);
}

function* copyPages(host: Host, folio: Pfn, folios: readonly Pfn[]): Steps {
  const { frames, memory } = host;
  if (points.on) yield at.page(folio);
  memory.zero(folio, HPAGE_PMD_NR);
  for (const old of folios) {
    if (points.on) yield at.page(old);
    memory.copyFrame(folioFilePage(host, folio, frames.index[old]!), old);
  }
}

/** With i_pages locked: SCAN_SUCCEED; else nothing locked, and why not: somebody filled a hole, or wants to hear of it. */
function* lockUnlessFilled(mapping: AddressSpace, start: number, holes: number): Steps<number> {
  const { host, iPages } = mapping;
  let status: number = Scan.SUCCEED;
  if (holes > 0) yield* host.locks.iMmapLockRead(mapping);
  yield* iPages.lock.lock();
  if (points.on) yield at.list(iPages.lock.id);
  const filled = iPages.indexesIn(start, start + HPAGE_PMD_NR - 1).length;
  if (filled + holes !== HPAGE_PMD_NR) status = Scan.PAGE_FILLED;
  if (holes > 0) {
    if (points.on) yield at.list(mapping.iMmapRwsem.id);
    const vmas = mapping.iMmap.overlapping(start, start + HPAGE_PMD_NR - 1);
    if (vmas.some(({ flags }) => (flags & VM_UFFD_MISSING) !== 0)) status = Scan.EXCEED_NONE_PTE;
    yield* host.locks.iMmapUnlockRead(mapping);
  }
  if (status !== Scan.SUCCEED) yield* iPages.lock.unlock();
  return status;
}

/** The pages are in the cache as before; who wants one faults it in. */
function* rollback(host: Host, folios: readonly Pfn[]): Steps {
  for (const old of folios) {
    if (points.on) yield at.page(old);
    host.folioLocks.unlock(old);
    yield* folioPutbackLru(host, old);
    yield* folioPut(host, old);
  }
}

/** This task's reference, the isolation's, and that of the page cache, which has the huge folio now. */
function* freeOld(host: Host, folios: readonly Pfn[]): Steps {
  for (const old of folios) {
    if (points.on) yield at.page(old);
    host.frames.mapping[old] = 0;
    host.frames.clear(old, PG_active | PG_unevictable);
    yield* folioUnlockPut(host, old, 3);
  }
}
