// What reclaim does with each folio that it has isolated (mm/vmscan.c: shrink_folio_list, pageout, __remove_mapping).
//
// The heart of the journey "up": young? -> slot -> unmap everywhere -> write out -> free when clean and unreferenced.
// vmscan.ts feeds it from the inactive list, madvise.ts with what MADV_PAGEOUT names.
//
// Invariants: each folio comes in isolated (off the LRU, one reference for it) and leaves freed or kept by the caller's
// list; the flushes that unmapping put off are done before a folio is written, if it was dirty, and before any is freed.
// Never allocates memory. Locks: one folio lock at a time, by trylock; below it those of rmap and the swap cache.

import { at, points, type Steps } from '../../sched/index.ts';
import { reclaimFlags } from '../../trace/index.ts';
import type { Pfn, SwapSlot } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import { filemapRemoveFolioLocked } from '../filemap/filemap.ts';
import type { Host } from '../host.ts';
import { folioLruvec, type MemCgroup, memCgroupSwapFull } from '../memcg/memcontrol.ts';
import { folioMapping, folioMarkDirty, freeFolio } from '../page/folio.ts';
import {
  PG_activate,
  PG_active,
  PG_dirty,
  PG_mlocked,
  PG_reclaim,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_writeback,
} from '../page/frames.ts';
import { folioReferenced } from '../rmap/referenced.ts';
import { isAnonFolio } from '../rmap/rmapFile.ts';
import { tryToUnmap } from '../rmap/tryToUnmap.ts';
import { tryToUnmapLarge } from '../rmap/tryToUnmapLarge.ts';
import { shmemWriteout } from '../shmem/shmemWriteout.ts';
import { folioAllocSwap, folioFreeSwap, swapCacheDelFolioLocked, swapOf } from '../swap/swapCache.ts';
import { swapWriteout } from '../swap/swapIo.ts';
import { splitFolio } from '../thp/splitFolio.ts';
import { VM_EXEC, VM_LOCKED } from '../vma/vmFlags.ts';
import { PAGEOUT_COST, ReclaimStat, type ScanControl } from './scanControl.ts';
import { workingsetEviction } from './workingset.ts';

/** Folios that are freed together (PAGEVEC_SIZE): one flush for all. */
const FREE_BATCH = 31;

/** What becomes of one folio. `locked` says that this task still has its lock. */
type Verdict = 'free' | 'activate_locked' | 'keep_locked' | 'keep';

export interface ShrinkResult {
  readonly reclaimed: number;
  readonly stat: ReclaimStat;
  /** To be put back on the LRU, in the order of isolation. */
  readonly kept: Pfn[];
}

/** shrink_folio_list(). `ignoreReferences`: the caller knows that nobody wants them. */
export function* shrinkFolioList(
  host: Host,
  isolated: readonly Pfn[],
  sc: ScanControl,
  ignoreReferences: boolean,
): Steps<ShrinkResult> {
  const stat = new ReclaimStat();
  const kept: Pfn[] = [];
  const free: Pfn[] = [];
  let reclaimed = 0;
  // A large folio that is split puts its pages at the end.
  const list = [...isolated];
  for (const pfn of list) {
    const verdict = yield* shrinkFolio(host, pfn, list, sc, stat, ignoreReferences);
    if (verdict === 'free') {
      reclaimed += host.frames.nrPages(pfn);
      free.push(pfn);
      if (free.length === FREE_BATCH) yield* freeReclaimed(host, free, sc);
      continue;
    }
    if (verdict === 'activate_locked') yield* activateLocked(host, pfn, stat);
    if (verdict !== 'keep') {
      if (points.on) yield at.page(pfn);
      host.folioLocks.unlock(pfn);
    }
    kept.push(pfn);
  }
  yield* freeReclaimed(host, free, sc);
  host.vmstat.pgactivate += stat.activated;
  return { reclaimed, stat, kept };
}

/** try_to_unmap_flush(), then free_unref_folios(): the references are frozen at 0. */
function* freeReclaimed(host: Host, free: Pfn[], sc: ScanControl): Steps {
  yield* sc.batch.flush();
  for (const pfn of free.splice(0)) yield* freeFolio(host, pfn);
}

function* shrinkFolio(
  host: Host,
  pfn: Pfn,
  list: Pfn[],
  sc: ScanControl,
  stat: ReclaimStat,
  ignoreReferences: boolean,
): Steps<Verdict> {
  const { frames } = host;
  if (points.on) yield at.page(pfn);
  if (!host.folioLocks.tryLock(pfn)) return 'keep';
  sc.nrScanned++;
  if (points.on) yield at.page(pfn);
  // folio_evictable().
  if (frames.test(pfn, PG_mlocked)) return 'activate_locked';
  if (checkWriteback(host, pfn, sc, stat)) return 'activate_locked';
  if (!ignoreReferences) {
    const verdict = yield* checkReferences(host, pfn, sc.target, stat);
    if (verdict !== null) return verdict;
  }
  // Of shmem it is unmapped first, and split when it is written; what MADV_FREE gave up is dropped as it is.
  if (points.on) yield at.page(pfn);
  const isAnon = isAnonFolio(host, pfn);
  const splits = frames.order[pfn] !== 0 && isAnon && frames.test(pfn, PG_swapbacked);
  if (splits && !(yield* splitForReclaim(host, pfn, list))) return 'activate_locked';
  if (points.on) yield at.page(pfn);
  if (isAnon && frames.test(pfn, PG_swapbacked) && !frames.test(pfn, PG_swapcache)) {
    if (frames.isMaybePinned(pfn)) return 'keep_locked';
    if (!(yield* folioAllocSwap(host, pfn))) return 'activate_locked';
    // Not only what the PTE says: it may have been cleaned while the page had a slot before.
    if (points.on) yield at.page(pfn);
    folioMarkDirty(host, pfn);
  }
  if (points.on) yield at.page(pfn);
  if (frames.maps(pfn) > 0) {
    if (frames.order[pfn] === 0) yield* tryToUnmap(host, pfn, sc.batch);
    else yield* tryToUnmapLarge(host, pfn, sc.batch);
    if (points.on) yield at.page(pfn);
    if (frames.maps(pfn) > 0) return 'activate_locked';
  }
  // Unmapped, it cannot be pinned anew; whoever had it pinned goes on using it.
  if (points.on) yield at.page(pfn);
  if (frames.isMaybePinned(pfn)) return 'activate_locked';
  if (points.on) yield at.page(pfn);
  if (frames.test(pfn, PG_dirty)) {
    if (host.lruvec.typeOf(pfn) === 'file') {
      // Reclaim does not write to disks: the flusher does, and the folio is first in line once it is clean.
      frames.set(pfn, PG_reclaim);
      return 'activate_locked';
    }
    yield* sc.batch.flushDirty();
    const verdict = yield* pageout(host, pfn, list, stat);
    if (verdict !== null) return verdict;
  }
  if (!(yield* removeMapping(host, pfn, sc.target))) return 'keep_locked';
  if (points.on) yield at.page(pfn);
  host.folioLocks.unlock(pfn);
  return 'free';
}

/** Without CONFIG_THP_SWAP there are no 512 slots in one piece for a large folio: page by page, or not at all. */
function* splitForReclaim(host: Host, folio: Pfn, list: Pfn[]): Steps<boolean> {
  const { frames, vmstat } = host;
  const isWhole = !frames.large.deferredSplit.has(folio);
  if (points.on) yield at.page(folio);
  if (frames.isMaybePinned(folio)) return false;
  if ((yield* splitFolio(host, folio, list)) !== 0) return false;
  if (isWhole) vmstat.thp_swpout_fallback++;
  return true;
}

/**
 * folio_check_dirty_writeback(), and what is done about a folio that is being written: true to leave it alone. One
 * step.
 */
function checkWriteback(host: Host, pfn: Pfn, sc: ScanControl, stat: ReclaimStat): boolean {
  const { frames } = host;
  const writeback = frames.test(pfn, PG_writeback);
  const dirty = frames.test(pfn, PG_dirty);
  if (dirty || writeback) stat.dirty++;
  if (dirty && !writeback && host.lruvec.typeOf(pfn) === 'file') stat.unqueuedDirty++;
  if (!writeback) return false;
  const marked = frames.test(pfn, PG_reclaim);
  if (marked) stat.congested++;
  if (sc.isKswapd && marked && host.kswapd.writebackFlag) {
    stat.immediate++;
  } else {
    frames.set(pfn, PG_reclaim);
    stat.writeback++;
  }
  return true;
}

/** folio_check_references(): null to go on and reclaim the folio. */
function* checkReferences(
  host: Host,
  pfn: Pfn,
  target: MemCgroup | null,
  stat: ReclaimStat,
): Steps<Verdict | null> {
  const { frames } = host;
  if (points.on) yield at.page(pfn);
  if (frames.testAndClear(pfn, PG_activate)) {
    folioLruvec(host, pfn).age(1);
    return 'activate_locked';
  }
  const seen = { memcg: target, vmFlags: 0 };
  const referencedPtes = yield* folioReferenced(host, pfn, seen);
  // It is mlocked now, and goes to the unevictable list.
  if ((seen.vmFlags & VM_LOCKED) !== 0) return 'activate_locked';
  if (points.on) yield at.page(pfn);
  const referencedFolio = referencedPtes >= 0 && frames.testAndClear(pfn, PG_referenced);
  if (referencedPtes === 0) return null;
  if (referencedPtes > 0) {
    // A folio starts out with the reference of the fault that made it: look twice.
    frames.set(pfn, PG_referenced);
    if (referencedFolio || referencedPtes > 1) return 'activate_locked';
    // Programs run on: their pages are kept after the first use.
    const isProgram = (seen.vmFlags & VM_EXEC) !== 0 && host.lruvec.typeOf(pfn) === 'file';
    if (isProgram) return 'activate_locked';
  }
  stat.refKeep++;
  return 'keep_locked';
}

/**
 * A candidate no more: back to the active list, and its slot to the swap area if slots are scarce; or to the unevictable
 * list, where a slot is of no use.
 */
function* activateLocked(host: Host, pfn: Pfn, stat: ReclaimStat): Steps {
  if (points.on) yield at.page(pfn);
  const { frames } = host;
  if (frames.test(pfn, PG_swapcache) && (frames.test(pfn, PG_mlocked) || memCgroupSwapFull(host, pfn)))
    yield* folioFreeSwap(host, pfn);
  if (points.on) yield at.page(pfn);
  if (frames.test(pfn, PG_mlocked)) return;
  frames.set(pfn, PG_active);
  stat.activated++;
  folioLruvec(host, pfn).stat.pgactivate++;
}

/** pageout() and what follows it: null when the folio is clean and locked, so that it can be freed. */
function* pageout(host: Host, pfn: Pfn, list: Pfn[], stat: ReclaimStat): Steps<Verdict | null> {
  const { frames } = host;
  if (points.on) yield at.page(pfn);
  // is_page_cache_freeable(): the cache's references and the isolation's; anybody else's keeps it.
  if (frames.count(pfn) !== 1 + frames.nrPages(pfn)) return 'keep_locked';
  frames.clear(pfn, PG_dirty);
  frames.set(pfn, PG_reclaim);
  const mapping = folioMapping(host, pfn);
  const slot = frames.private[pfn] as SwapSlot;
  host.sched.spend(PAGEOUT_COST);
  if (mapping === null) yield* swapWriteout(host, pfn);
  else if (!(yield* shmemWriteout(mapping, pfn, list))) return 'activate_locked';
  host.trace.mm_vmscan_write_folio?.(pfn, reclaimFlags('anon'), slot);
  host.vmstat.nr_vmscan_write++;
  stat.pageout++;
  if (points.on) yield at.page(pfn);
  if (frames.test(pfn, PG_writeback)) return 'keep';
  // A synchronous write (a page of zeros): perhaps it can be freed at once.
  frames.clear(pfn, PG_reclaim);
  if (frames.test(pfn, PG_dirty) || !host.folioLocks.tryLock(pfn)) return 'keep';
  return frames.test(pfn, PG_dirty | PG_writeback) ? 'keep_locked' : null;
}

/** __remove_mapping(): freezes the references of a clean folio that nobody else has, and takes it out of its cache. */
function* removeMapping(host: Host, pfn: Pfn, target: MemCgroup | null): Steps<boolean> {
  if (points.on) yield at.page(pfn);
  const mapping = folioMapping(host, pfn);
  if (mapping !== null) return yield* removeFromPageCache(mapping, pfn, target);
  // Dropped by MADV_FREE: the isolation's reference is the last.
  if (!host.frames.test(pfn, PG_swapbacked)) return host.frames.freeze(pfn, 1);
  return yield* removeFromSwapCache(host, pfn, target);
}

function* removeFromPageCache(mapping: AddressSpace, pfn: Pfn, target: MemCgroup | null): Steps<boolean> {
  const { iPages, host } = mapping;
  yield* iPages.lock.lock();
  if (points.on) yield at.page(pfn);
  const removed = freezeClean(host, pfn);
  if (removed) {
    // A page of shmem that was never written to is zeros again when it is next wanted.
    const shadow = host.lruvec.typeOf(pfn) === 'file' ? workingsetEviction(host, pfn, target) : 0;
    yield* filemapRemoveFolioLocked(mapping, pfn, shadow);
  }
  yield* iPages.lock.unlock();
  return removed;
}

/** One step: nobody can dirty a folio whose references are frozen. */
function freezeClean({ frames }: Host, pfn: Pfn): boolean {
  const references = 1 + frames.nrPages(pfn);
  if (!frames.freeze(pfn, references)) return false;
  const clean = !frames.test(pfn, PG_dirty);
  if (!clean) frames.unfreeze(pfn, references);
  return clean;
}

function* removeFromSwapCache(host: Host, pfn: Pfn, target: MemCgroup | null): Steps<boolean> {
  const { frames } = host;
  const swap = swapOf(host);
  yield* swap.lock.lock();
  if (points.on) yield at.page(pfn);
  const removed = frames.test(pfn, PG_swapcache) && freezeClean(host, pfn);
  if (removed) yield* swapCacheDelFolioLocked(host, pfn, workingsetEviction(host, pfn, target));
  yield* swap.lock.unlock();
  return removed;
}
