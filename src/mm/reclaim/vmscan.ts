// Page reclaim: which folios are looked at, and how many (mm/vmscan.c).
//
// kswapd.ts and directReclaim.ts call shrinkNode() with falling priority; of each memory cgroup, or of the one that is
// over its limit, it scans the tails of the inactive lists (second chance in shrinkFolioList.ts), as hard as
// scanCount.ts says, and refills them from the active lists.
//
// Invariants: never allocates memory. Between isolation and putback a folio is on no list and has one reference more.
// Lock: lru_lock for isolation and putback only.

import { at, COND_RESCHED, points, type Steps } from '../../sched/index.ts';
import { reclaimFlags } from '../../trace/index.ts';
import { bug, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioLruvec, type MemCgroup } from '../memcg/memcontrol.ts';
import { folioPutbackLru, freeFolio } from '../page/folio.ts';
import { PG_active, PG_lru, PG_mlocked, PG_unevictable, PG_workingset } from '../page/frames.ts';
import { folioReferenced } from '../rmap/referenced.ts';
import { VM_EXEC } from '../vma/vmFlags.ts';
import {
  activeListOf,
  type EvictableList,
  inactiveListOf,
  LRU_LISTS,
  LRU_TYPES,
  type LruType,
  type Lruvec,
} from './lru.ts';
import { DEF_PRIORITY, NodeScan, SCAN_COST, type ScanControl } from './scanControl.ts';
import {
  getScanCount,
  inactiveIsLow,
  isScanLeft,
  keepProportion,
  prepareScanControl,
  type ScanTargets,
} from './scanCount.ts';
import { shrinkFolioList } from './shrinkFolioList.ts';

/** SWAP_CLUSTER_MAX of a host with so many frames: how many folios are isolated at a time. */
export const swapClusterMax = (managedPages: number): number => Math.min(32, Math.max(1, managedPages >> 4));

/** shrink_node(): one pass over the node's lists and shrinkers at sc.priority, or over those of sc.target. */
export function* shrinkNode(host: Host, sc: ScanControl): Steps {
  const before = sc.nrReclaimed;
  sc.nr = new NodeScan();
  prepareScanControl(host, sc);
  if (sc.target !== null) yield* shrinkMemcg(host, sc, sc.target);
  else yield* shrinkNodeMemcgs(host, sc);
  const { nr } = sc;
  if (sc.isKswapd) {
    // Everything that was taken is being written: pages are freed faster than they can be cleaned.
    if (nr.writeback > 0 && nr.writeback === nr.taken) host.kswapd.writebackFlag = true;
    if (nr.immediate > 0) yield* host.throttle.waitForWriteback();
  } else if (nr.dirty > 0 && nr.dirty === nr.congested) {
    yield* host.throttle.waitForWriteback();
  }
  if (sc.nrReclaimed > before) host.kswapd.failures = 0;
}

/**
 * shrink_node_memcgs(): the root and every cgroup that its protection does not except. Who reclaims for himself stops when
 * he has enough; who comes next goes on there, so that none of them is always the first.
 */
function* shrinkNodeMemcgs(host: Host, sc: ScanControl): Steps {
  const { memcgs } = host;
  const isPartial = !sc.isKswapd && !sc.memcgFullWalk;
  let position = isPartial ? memcgs.position : 0;
  for (; position <= memcgs.all.length; position++) {
    const memcg = memcgs.all[position - 1] ?? null;
    if (memcg === null || mayShrink(sc, memcg)) yield* shrinkMemcg(host, sc, memcg);
    if (isPartial && sc.nrReclaimed >= sc.nrToReclaim) break;
  }
  if (isPartial) memcgs.position = position >= memcgs.all.length ? 0 : position + 1;
}

/** Lists and caches of a cgroup, or of the root. */
function* shrinkMemcg(host: Host, sc: ScanControl, memcg: MemCgroup | null): Steps {
  yield* shrinkLruvec(host, sc, memcg);
  sc.nrReclaimed += yield* host.shrinkers.shrinkSlab(memcg, sc.priority);
}

/** What memory.min and memory.low promise: the one always, the other as long as there is anything else to take. */
function mayShrink(sc: ScanControl, memcg: MemCgroup): boolean {
  if (memcg.isBelowMin) return false;
  if (!memcg.isBelowLow) return true;
  if (sc.memcgLowReclaim) memcg.events.low++;
  else sc.memcgLowSkipped = true;
  return sc.memcgLowReclaim;
}

/** shrink_lruvec(): of a cgroup, or of the root. */
function* shrinkLruvec(host: Host, sc: ScanControl, memcg: MemCgroup | null): Steps {
  const { swapClusterMax: cluster } = host;
  const lruvec = host.memcgs.lruvecOf(memcg);
  const left = getScanCount(host, sc, memcg);
  const targets: ScanTargets = [...left];
  const proportional = sc.target === null && !sc.isKswapd && sc.priority === DEF_PRIORITY;
  let reclaimed = 0;
  while (isScanLeft(left)) {
    for (const list of LRU_LISTS) {
      const pages = Math.min(left[list], cluster);
      if (pages === 0) continue;
      left[list] -= pages;
      reclaimed += yield* shrinkList(host, sc, lruvec, list, pages);
    }
    // cond_resched(): who writes pages out must let their completions be heard of.
    yield COND_RESCHED;
    if (reclaimed < sc.nrToReclaim || proportional) continue;
    if (!keepProportion(left, targets)) break;
  }
  sc.nrReclaimed += reclaimed;
  if (host.swap !== null && inactiveIsLow(lruvec, 'anon'))
    yield* shrinkActiveList(host, sc, lruvec, 'anon', cluster);
}

/** shrink_list(): how many were freed. */
function* shrinkList(
  host: Host,
  sc: ScanControl,
  lruvec: Lruvec,
  list: EvictableList,
  pages: number,
): Steps<number> {
  for (const type of LRU_TYPES) {
    if (list === inactiveListOf(type)) return yield* shrinkInactiveList(host, sc, lruvec, type, pages);
    if (list !== activeListOf(type)) continue;
    if (sc.mayDeactivate[type]) yield* shrinkActiveList(host, sc, lruvec, type, pages);
    else sc.skippedDeactivate = true;
  }
  return 0;
}

/** shrink_inactive_list(): how many were freed. */
function* shrinkInactiveList(
  host: Host,
  sc: ScanControl,
  lruvec: Lruvec,
  type: LruType,
  pages: number,
): Steps<number> {
  const { vmstat } = host;
  if (!sc.isKswapd && tooManyIsolated(host, type))
    yield* host.throttle.waitForIsolated(() => tooManyIsolated(host, type));
  const isolated = yield* isolateLruFolios(host, lruvec, type, inactiveListOf(type), pages);
  if (isolated.length === 0) return 0;
  const taken = pagesOf(host, isolated);
  if (sc.isKswapd) vmstat.pgscan_kswapd += taken;
  else if (sc.target === null) vmstat.pgscan_direct += taken;
  vmstat[`pgscan_${type}`] += taken;
  lruvec.stat.pgscan += taken;
  host.sched.spend(isolated.length * SCAN_COST);
  const { reclaimed, stat, kept } = yield* shrinkFolioList(host, isolated, sc, false);
  yield* moveFoliosToLru(host, kept);
  host.nrIsolated[type] -= taken;
  host.throttle.wakeIsolated();
  // Nothing but dirty pages that nobody writes: the flusher is not doing its job.
  if (stat.unqueuedDirty === taken) host.flusher.wake();
  lruvec.noteCost(type, stat.pageout, taken - reclaimed);
  if (sc.isKswapd) vmstat.pgsteal_kswapd += reclaimed;
  else if (sc.target === null) vmstat.pgsteal_direct += reclaimed;
  vmstat[`pgsteal_${type}`] += reclaimed;
  lruvec.stat.pgsteal += reclaimed;
  sc.nr.add(stat, taken);
  host.trace.mm_vmscan_lru_shrink_inactive?.(
    0,
    taken,
    reclaimed,
    stat.dirty,
    stat.writeback,
    stat.congested,
    stat.immediate,
    type === 'anon' ? stat.activated : 0,
    type === 'file' ? stat.activated : 0,
    stat.refKeep,
    0,
    sc.priority,
    reclaimFlags(type),
  );
  return reclaimed;
}

/** The pages that folios have; what they are split into has as many. */
export function pagesOf({ frames }: Host, folios: readonly Pfn[]): number {
  let pages = 0;
  for (const pfn of folios) pages += frames.nrPages(pfn);
  return pages;
}

/** too_many_isolated(): a direct reclaimer leaves most of the list to those who are at it already. */
const tooManyIsolated = ({ lruvec, nrIsolated, swapClusterMax: cluster }: Host, type: LruType): boolean =>
  nrIsolated[type] > Math.max(lruvec.inactive(type) >> 3, cluster);

/** shrink_active_list(): referenced or not, folios move on; asking has cleared their A bits. */
function* shrinkActiveList(host: Host, sc: ScanControl, lruvec: Lruvec, type: LruType, pages: number): Steps {
  const { frames, vmstat } = host;
  const isolated = yield* isolateLruFolios(host, lruvec, type, activeListOf(type), pages);
  if (isolated.length === 0) return;
  const taken = pagesOf(host, isolated);
  let referenced = 0;
  let rotated = 0;
  let locked = 0;
  for (const pfn of isolated) {
    if (points.on) yield at.page(pfn);
    if (frames.test(pfn, PG_mlocked)) {
      locked += frames.nrPages(pfn);
      continue;
    }
    const seen = { memcg: sc.target, vmFlags: 0 };
    if ((yield* folioReferenced(host, pfn, seen, false)) > 0) referenced += frames.nrPages(pfn);
    if (points.on) yield at.page(pfn);
    // Programs run on: their pages get one more trip round the active list.
    if (type === 'file' && (seen.vmFlags & VM_EXEC) !== 0) {
      rotated += frames.nrPages(pfn);
      continue;
    }
    frames.clear(pfn, PG_active);
    frames.set(pfn, PG_workingset);
  }
  yield* moveFoliosToLru(host, isolated);
  host.nrIsolated[type] -= taken;
  host.throttle.wakeIsolated();
  lruvec.noteCost(type, 0, rotated);
  vmstat.pgdeactivate += taken - rotated - locked;
  lruvec.stat.pgdeactivate += taken - rotated - locked;
  host.trace.mm_vmscan_lru_shrink_active?.(
    0,
    taken,
    rotated,
    taken - rotated - locked,
    referenced,
    sc.priority,
    reclaimFlags(type),
  );
}

/** isolate_lru_folios(): up to `pages` from the tail of `list`. */
function* isolateLruFolios(
  host: Host,
  lruvec: Lruvec,
  type: LruType,
  list: EvictableList,
  pages: number,
): Steps<Pfn[]> {
  const isolated: Pfn[] = [];
  let scanned = 0;
  let nrTaken = 0;
  yield* lruvec.lock.lock();
  while (scanned < pages) {
    if (points.on) yield at.lru(lruvec.lock.id);
    const pfn = lruvec.tail(list) as Pfn | 0;
    if (pfn === 0) break;
    if (points.on) yield at.page(pfn);
    const taken = takeForReclaim(host, pfn);
    if (points.on) yield at.lru(lruvec.lock.id);
    lruvec.remove(pfn, list);
    scanned += host.frames.nrPages(pfn);
    if (taken) {
      isolated.push(pfn);
      nrTaken += host.frames.nrPages(pfn);
    } else lruvec.addHead(pfn, list);
  }
  host.nrIsolated[type] += nrTaken;
  host.trace.mm_vmscan_lru_isolate?.(0, 0, pages, scanned, 0, nrTaken, list);
  yield* lruvec.lock.unlock();
  return isolated;
}

/** A folio that is being freed, or that somebody else isolates at this moment, stays. */
function takeForReclaim({ frames }: Host, pfn: Pfn): boolean {
  if (!frames.tryGet(pfn)) return false;
  if (frames.testAndClear(pfn, PG_lru)) return true;
  if (frames.putTestZero(pfn)) bug('folio on the LRU lost its last reference', { pfn });
  return false;
}

/**
 * move_folios_to_lru(): back to the head of the list that the flags name; frees what nobody else has any more. Locked
 * folios, and those that were on the unevictable list, are looked at again.
 */
export function* moveFoliosToLru(host: Host, folios: readonly Pfn[]): Steps {
  const { frames } = host;
  const free: Pfn[] = [];
  let locked: Lruvec | null = null;
  for (const pfn of folios) {
    const lruvec = folioLruvec(host, pfn);
    if (locked !== lruvec) {
      if (locked !== null) yield* locked.lock.unlock();
      yield* lruvec.lock.lock();
      locked = lruvec;
    }
    if (points.on) yield at.page(pfn);
    if (frames.test(pfn, PG_mlocked | PG_unevictable)) {
      yield* lruvec.lock.unlock();
      locked = null;
      yield* folioPutbackLru(host, pfn);
      continue;
    }
    // PG_lru first, so that whoever drops the last reference from now on waits for the lock.
    if (points.on) yield at.page(pfn);
    frames.set(pfn, PG_lru);
    if (points.on) yield at.page(pfn);
    if (frames.putTestZero(pfn)) {
      frames.clear(pfn, PG_lru | PG_active);
      free.push(pfn);
      continue;
    }
    const list = lruvec.listOf(pfn);
    if (points.on) yield at.lru(lruvec.lock.id);
    lruvec.addHead(pfn, list);
  }
  if (locked !== null) yield* locked.lock.unlock();
  for (const pfn of free) yield* freeFolio(host, pfn);
}
