// The page allocator: who gets a frame, and what happens when there are none (mm/page_alloc.c).
//
// Faults, swap-in and the page tables of host and hypervisors allocate here. Above the low watermark a frame is simply
// taken; below it kswapd is woken; below the minimum the caller reclaims himself, and when that has no success the OOM
// killer decides.
//
// Invariants: only a victim of the OOM killer takes frames below the minimum. Reclaim never comes here. May sleep.

import { at, mightAlloc, points, RESCHED, type Steps } from '../../sched/index.ts';
import { CompactResult } from '../../trace/index.ts';
import type { Pfn, SwapSlot } from '../../units.ts';
import type { Host } from '../host.ts';
import { chargeMemcg } from '../memcg/memcgCharge.ts';
import type { MemCgroup } from '../memcg/memcontrol.ts';
import { CompactPriority, tryToCompactPages } from '../migrate/compaction.ts';
import { tryToFreePages } from '../reclaim/directReclaim.ts';
import { LRU_TYPES } from '../reclaim/lru.ts';
import { MAX_RECLAIM_RETRIES } from '../reclaim/scanControl.ts';
import { canReclaimAnon } from '../reclaim/scanCount.ts';
import { JIFFY, scheduleTimeout } from '../timeout.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { folioPut } from './folio.ts';
import { FrameKind } from './frames.ts';
import { accountKernelPages, type KernelUse, KIND_OF_USE } from './kernelPages.ts';
import { HPAGE_PMD_ORDER } from './largeFolio.ts';
import type { Order } from './zone.ts';

/** folio_prealloc(): for anonymous memory of `mm`: one reference, contents undefined; null when out of memory. */
export const allocAnonPage = (host: Host, mm: Mm): Steps<Pfn | null> => allocCharged(host, mm, mm.memcg);

/** For a page of a file; `mm` is who asks for it, if it is a process, and charged. Null when out of memory. */
export const allocFilePage = (host: Host, mm: Mm | null): Steps<Pfn | null> =>
  allocCharged(host, mm, mm?.memcg ?? null);

/** mem_cgroup_swapin_charge_folio(): for the page of `slot`, whose owner is charged. As allocFilePage(). */
export function* allocSwapinPage(host: Host, mm: Mm | null, slot: SwapSlot): Steps<Pfn | null> {
  if (points.on) yield at.slot(slot);
  return yield* allocCharged(host, mm, host.memcgs.of(host.swap!.memcgOf(slot)));
}

function* allocCharged(host: Host, mm: Mm | null, memcg: MemCgroup | null): Steps<Pfn | null> {
  mightAlloc(host.sched);
  const taken = yield* host.zone.take(0, FrameKind.folio, host.zone.watermarks.low);
  const pfn = (taken || (yield* allocPagesSlowpath(host, 0, FrameKind.folio, mm))) as Pfn | 0;
  if (pfn === 0) return null;
  return memcg === null || (yield* chargeOrPut(host, pfn, memcg, mm, true)) ? pfn : null;
}

/** Charges `memcg` for a new folio; if that cannot be, it is freed. */
export function* chargeOrPut(
  host: Host,
  pfn: Pfn,
  memcg: MemCgroup | null,
  mm: Mm | null,
  mayReclaim: boolean,
): Steps<boolean> {
  const charged = yield* chargeMemcg(host, pfn, memcg, mm, mayReclaim);
  if (!charged) yield* folioPut(host, pfn);
  return charged;
}

/**
 * vma_alloc_folio() of a huge page: 512 frames in one piece, a large folio with one reference, contents undefined; null
 * when there is none, or `mm`, if it is for a process, may not have it. `direct`: as allocUnchargedHugePage().
 */
export function* allocHugePage(host: Host, mm: Mm | null, direct: boolean): Steps<Pfn | null> {
  const folio = yield* allocUnchargedHugePage(host, direct);
  return folio !== null && (yield* chargeOrPut(host, folio, mm?.memcg ?? null, mm, true)) ? folio : null;
}

/** `direct`: take the trouble of compacting memory for it (GFP_TRANSHUGE, else GFP_TRANSHUGE_LIGHT). */
export function* allocUnchargedHugePage(host: Host, direct: boolean): Steps<Pfn | null> {
  const { low } = host.zone.watermarks;
  if (direct) mightAlloc(host.sched);
  const [order, kind] = [HPAGE_PMD_ORDER, FrameKind.folio] as const;
  let folio = (yield* host.zone.take(order, kind, low)) as Pfn | 0;
  if (folio === 0 && direct) folio = (yield* allocCostly(host, order, kind)) as Pfn | 0;
  if (folio === 0) return null;
  if (points.on) yield at.page(folio);
  host.frames.makeLarge(folio);
  return folio;
}

/** The slow path of what the caller can do without: each means is tried once. */
function* allocCostly(host: Host, order: Order, kind: FrameKind): Steps<number> {
  const compacted = yield* directCompact(host, order, kind, CompactPriority.ASYNC);
  if (compacted !== 0) return compacted;
  yield* tryToFreePages(host, order);
  const pfn = yield* host.zone.take(order, kind, host.zone.watermarks.min);
  return pfn !== 0 ? pfn : yield* directCompact(host, order, kind, CompactPriority.SYNC_LIGHT);
}

/** A frame for a page that nobody has asked for: only if there are plenty, and `memcg`, who is charged, may have more. */
export function* allocReadaheadPage(host: Host, memcg: MemCgroup | null): Steps<Pfn | null> {
  const { high } = host.zone.watermarks;
  const pfn = ((yield* host.zone.take(0, FrameKind.folio, high)) || null) as Pfn | null;
  return pfn !== null && (yield* chargeOrPut(host, pfn, memcg, null, false)) ? pfn : null;
}

/** alloc_migration_target(): a frame for a page that has one already: not worth reclaiming anything. */
export function* allocMigrationTarget(host: Host): Steps<Pfn | null> {
  const { zone } = host;
  return ((yield* zone.take(0, FrameKind.folio, zone.watermarks.low)) || null) as Pfn | null;
}

/** __get_free_pages(GFP_KERNEL | __GFP_ZERO): 1 << order contiguous, aligned frames; null when out of memory. */
export function* allocKernelPages(host: Host, order: Order, use: KernelUse): Steps<Pfn | null> {
  const kind = KIND_OF_USE[use];
  mightAlloc(host.sched);
  const taken = yield* host.zone.take(order, kind, host.zone.watermarks.low);
  const pfn = (taken || (yield* allocPagesSlowpath(host, order, kind, null))) as Pfn | 0;
  if (pfn === 0) return null;
  for (let i = 0; i < 1 << order; i++) {
    const frame = (pfn + i) as Pfn;
    if (points.on) yield at.page(frame);
    host.memory.zero(frame);
  }
  accountKernelPages(host, kind, 1 << order);
  return pfn;
}

/**
 * __alloc_pages_slowpath(), where there is nothing above the low watermark; `mm` is the address space that the caller
 * works for. 0 when out of memory.
 */
function* allocPagesSlowpath(host: Host, order: Order, kind: FrameKind, mm: Mm | null): Steps<number> {
  const { zone, kswapd } = host;
  let fruitless = 0;
  for (let attempt = 0; ; attempt++) {
    // cond_resched(): in Linux kswapd runs on another CPU by now.
    if (kswapd.wake(host, order)) yield RESCHED;
    const min = yield* zone.take(order, kind, zone.watermarks.min);
    if (min !== 0) return min;
    // ALLOC_OOM: a victim may dig into the reserve, or fail, so that it can exit.
    if (mm?.killed) return yield* zone.take(order, kind, zone.watermarks.min >> 1);
    if (order > 0 && attempt === 0) {
      const compacted = yield* directCompact(host, order, kind, CompactPriority.ASYNC);
      if (compacted !== 0) return compacted;
    }
    const reclaimed = yield* tryToFreePages(host, order);
    const pfn = yield* zone.take(order, kind, zone.watermarks.min);
    if (pfn !== 0) return pfn;
    fruitless = reclaimed > 0 ? 0 : fruitless + 1;
    if (order > 0) {
      const priority = attempt === 0 ? CompactPriority.SYNC_LIGHT : CompactPriority.SYNC_FULL;
      const compacted = yield* directCompact(host, order, kind, priority);
      if (compacted !== 0) return compacted;
    }
    if (order > 0 && attempt >= MAX_RECLAIM_RETRIES) return 0;
    if (shouldReclaimRetry(host, order, fruitless)) continue;
    if (order > 0 || !host.oomKiller.outOfMemory(host)) return 0;
    fruitless = 0;
    yield* scheduleTimeout(host.sched, JIFFY);
  }
}

/** __alloc_pages_direct_compact(): a block, or 0. */
function* directCompact(host: Host, order: Order, kind: FrameKind, priority: CompactPriority): Steps<number> {
  const { zone, vmstat, compaction } = host;
  const result = yield* tryToCompactPages(host, order, priority);
  if (result === CompactResult.SKIPPED || result === CompactResult.DEFERRED) return 0;
  vmstat.compact_stall++;
  const pfn = yield* zone.take(order, kind, zone.watermarks.min);
  if (pfn === 0) vmstat.compact_fail++;
  else {
    vmstat.compact_success++;
    compaction.succeeded(order);
  }
  return pfn;
}

/** should_reclaim_retry(): would it work if everything that can be reclaimed were? */
function shouldReclaimRetry(host: Host, order: Order, fruitless: number): boolean {
  const { zone, lruvec, nrIsolated } = host;
  if (fruitless > MAX_RECLAIM_RETRIES) return false;
  // zone_reclaimable_pages().
  const types = LRU_TYPES.filter((type) => type === 'file' || canReclaimAnon(host, null));
  const reclaimable = types
    .map((type) => lruvec.inactive(type) + lruvec.active(type) + nrIsolated[type])
    .reduce((sum, pages) => sum + pages, 0);
  return zone.freePages + reclaimable - (1 << order) >= zone.watermarks.min;
}
