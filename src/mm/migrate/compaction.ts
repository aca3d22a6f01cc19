// Memory compaction: pages move to the end of the zone, so that free frames come together at its start
// (mm/compaction.c).
//
// The allocator comes here for a block of frames that is not there though there are frames enough (tryToCompactPages());
// so does who writes to /proc/sys/vm/compact_memory.
//
// One scanner walks up from the start of the zone and isolates pages, the other down from the end and hands out free
// frames for them, until they meet. Linux remembers where they were and which blocks were of no use; here each run
// starts from both ends.
// Invariants: a page moves upwards only, past every block that was scanned for pages. The frames of the free scanner stay
// above the minimum watermark. What cannot be moved, because somebody has a reference to it, goes back on the LRU.
// Locks: one zone, LRU or folio lock at a time, and what migrate.ts takes. May sleep.

import { at, COND_RESCHED, points, type Steps } from '../../sched/index.ts';
import { CompactResult, MigrateMode, MigrateReason } from '../../trace/index.ts';
import { Errno, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioPut } from '../page/folio.ts';
import { FrameKind, PG_lru, PG_swapcache, PG_writeback } from '../page/frames.ts';
import { HPAGE_PMD_ORDER } from '../page/largeFolio.ts';
import type { Order } from '../page/zone.ts';
import { isAnonFolio } from '../rmap/rmapFile.ts';
import { isolateMovable, type MigrationTarget, migratePages, putbackMovablePages } from './migrate.ts';

/** Pages that are isolated at a time. */
const COMPACT_CLUSTER_MAX = 32;
const COMPACT_MAX_DEFER_SHIFT = 6;
/** More than this is costly: whoever wants so much in one piece can do without (PAGE_ALLOC_COSTLY_ORDER). */
const COSTLY_ORDER = 3;
/** Order of a direct run that is not for anybody's sake: everything is compacted (is_via_compact_memory()). */
const WHOLE_ZONE = -1;

/** enum compact_priority: how hard to try. */
export const CompactPriority = { SYNC_FULL: 0, SYNC_LIGHT: 1, ASYNC: 2 } as const;
export type CompactPriority = (typeof CompactPriority)[keyof typeof CompactPriority];

/** What the zone remembers of runs that failed (compact_considered, compact_defer_shift, compact_order_failed). */
export class CompactionState {
  #considered = 0;
  #deferShift = 0;
  #orderFailed = HPAGE_PMD_ORDER + 1;

  /** compaction_deferred(): it has failed lately for no greater order. */
  isDeferred(order: Order): boolean {
    if (order < this.#orderFailed) return false;
    const limit = 1 << this.#deferShift;
    this.#considered = Math.min(this.#considered + 1, limit);
    return this.#considered < limit;
  }

  /** compaction_defer_reset(). */
  succeeded(order: Order): void {
    this.#considered = 0;
    this.#deferShift = 0;
    if (order >= this.#orderFailed) this.#orderFailed = order + 1;
  }

  /** defer_compaction(). */
  failed(order: Order): void {
    this.#considered = 0;
    this.#deferShift = Math.min(this.#deferShift + 1, COMPACT_MAX_DEFER_SHIFT);
    this.#orderFailed = Math.min(this.#orderFailed, order);
  }
}

/** struct compact_control: one run. */
interface CompactControl {
  readonly host: Host;
  readonly order: Order | typeof WHOLE_ZONE;
  readonly mode: MigrateMode;
  readonly blockOrder: Order;
  /** The next frame that each scanner looks at. */
  migratePfn: number;
  freePfn: number;
  migrateScanned: number;
  freeScanned: number;
  isolated: number;
}

/** pageblock_order, less on hosts that have but a few such blocks. */
const blockOrderOf = ({ zone }: Host): Order =>
  zone.managedPages >> HPAGE_PMD_ORDER >= 4 ? HPAGE_PMD_ORDER : 2;

const newControl = (host: Host, order: CompactControl['order'], mode: MigrateMode): CompactControl => ({
  host,
  order,
  mode,
  blockOrder: blockOrderOf(host),
  migratePfn: host.zone.firstPfn,
  freePfn: host.frames.endPfn - 1,
  migrateScanned: 0,
  freeScanned: 0,
  isolated: 0,
});

/** compact_node(): all that can be moved is, as /proc/sys/vm/compact_memory asks for. */
export function* compactMemory(host: Host): Steps {
  yield* compactZone(newControl(host, WHOLE_ZONE, MigrateMode.SYNC));
}

/** try_to_compact_pages(): for a block of `order`. The caller looks whether there is one now. */
export function* tryToCompactPages(
  host: Host,
  order: Order,
  priority: CompactPriority,
): Steps<CompactResult> {
  const { compaction } = host;
  if (priority > CompactPriority.SYNC_FULL && compaction.isDeferred(order)) return CompactResult.DEFERRED;
  const mode = priority === CompactPriority.ASYNC ? MigrateMode.ASYNC : MigrateMode.SYNC_LIGHT;
  const result = yield* compactZone(newControl(host, order, mode));
  if (result === CompactResult.SUCCESS) compaction.succeeded(order);
  else if (result === CompactResult.COMPLETE && priority !== CompactPriority.ASYNC) compaction.failed(order);
  return result;
}

/** compact_zone(). */
function* compactZone(cc: CompactControl): Steps<CompactResult> {
  const { host, order } = cc;
  const { zone, trace, vmstat } = host;
  if (order !== WHOLE_ZONE) {
    if (yield* zone.has(order)) return CompactResult.SUCCESS;
    if (!isSuitable(host, order)) return CompactResult.SKIPPED;
  }
  const [start, end] = [zone.firstPfn, host.frames.endPfn];
  const sync = Number(cc.mode !== MigrateMode.ASYNC);
  trace.mm_compaction_begin?.(start, cc.migratePfn, cc.freePfn, end, sync);
  let result: CompactResult = CompactResult.CONTINUE;
  while (result === CompactResult.CONTINUE) {
    result = yield* compactFinished(cc);
    if (result === CompactResult.CONTINUE) result = yield* compactSome(cc);
    // cond_resched().
    yield COND_RESCHED;
  }
  vmstat.compact_migrate_scanned += cc.migrateScanned;
  vmstat.compact_free_scanned += cc.freeScanned;
  vmstat.compact_isolated += cc.isolated;
  trace.mm_compaction_end?.(start, cc.migratePfn, cc.freePfn, end, sync, result);
  return result;
}

/** compaction_suitable(): frames enough to copy to; twice as many as are wanted are under way at a time. */
function isSuitable({ zone: { freePages, watermarks } }: Host, order: Order): boolean {
  const mark = order > COSTLY_ORDER ? watermarks.low : watermarks.min;
  return freePages - 1 >= mark + (2 << order);
}

/** compact_finished(): whether to go on. */
function* compactFinished(cc: CompactControl): Steps<CompactResult> {
  if (haveScannersMet(cc)) return CompactResult.COMPLETE;
  if (cc.order === WHOLE_ZONE) return CompactResult.CONTINUE;
  // The rest of a block is emptied too, so that it is not broken up in vain.
  if (cc.migratePfn % (1 << cc.blockOrder) !== 0) return CompactResult.CONTINUE;
  return (yield* cc.host.zone.has(cc.order)) ? CompactResult.SUCCESS : CompactResult.CONTINUE;
}

/** compact_scanners_met(). */
const haveScannersMet = ({ migratePfn, freePfn, blockOrder }: CompactControl): boolean =>
  freePfn >> blockOrder <= migratePfn >> blockOrder;

/** One round: some pages are isolated, and moved. */
function* compactSome(cc: CompactControl): Steps<CompactResult> {
  const { host } = cc;
  const folios = yield* isolateMigratepages(cc);
  if (folios.length === 0) return CompactResult.CONTINUE;
  const taken = folios.length;
  const error = yield* migratePages(host, folios, targetOf(cc), cc.mode, MigrateReason.COMPACTION);
  host.trace.mm_compaction_migratepages?.(taken - folios.length, folios.length);
  yield* putbackMovablePages(host, folios);
  return error === -Errno.ENOMEM && !haveScannersMet(cc) ? CompactResult.CONTENDED : CompactResult.CONTINUE;
}

/** isolate_migratepages(): movable pages of the next block that has any, as long as the scanners have not met. */
function* isolateMigratepages(cc: CompactControl): Steps<Pfn[]> {
  const { host } = cc;
  const folios: Pfn[] = [];
  while (folios.length === 0 && !haveScannersMet(cc)) {
    const start = cc.migratePfn;
    const end = Math.min(((start >> cc.blockOrder) + 1) << cc.blockOrder, host.frames.endPfn);
    while (cc.migratePfn < end && folios.length < COMPACT_CLUSTER_MAX)
      yield* isolateIfMovable(cc, cc.migratePfn++ as Pfn, folios);
    const scanned = cc.migratePfn - start;
    cc.migrateScanned += scanned;
    cc.isolated += folios.length;
    host.trace.mm_compaction_isolate_migratepages?.(start, cc.migratePfn, scanned, folios.length);
  }
  return folios;
}

/** One frame of isolate_migratepages_block(). */
function* isolateIfMovable(cc: CompactControl, pfn: Pfn, into: Pfn[]): Steps {
  const { host } = cc;
  if (points.on) yield at.page(pfn);
  if (!isMovable(cc, pfn) || !host.frames.tryGet(pfn)) return;
  // Looked at again with a reference: it stays what it is.
  if (isMovable(cc, pfn) && !isPinned(host, pfn)) yield* isolateMovable(host, pfn, into);
  yield* folioPut(host, pfn);
}

function isMovable({ host: { frames }, mode }: CompactControl, pfn: Pfn): boolean {
  // skip_isolation_on_order(): a large folio fills its block.
  const isSmall = frames.kind[pfn] === FrameKind.folio && frames.order[pfn] === 0;
  const isCandidate = isSmall && frames.test(pfn, PG_lru);
  return isCandidate && (mode !== MigrateMode.ASYNC || !frames.test(pfn, PG_writeback));
}

/** An anonymous page with references that are no mappings is not worth trying; ours is one. */
const isPinned = (host: Host, pfn: Pfn): boolean =>
  isAnonFolio(host, pfn) &&
  !host.frames.test(pfn, PG_swapcache) &&
  host.frames.count(pfn) - 1 > host.frames.maps(pfn);

/** compaction_alloc() and compaction_free(). */
const targetOf = (cc: CompactControl): MigrationTarget => ({
  alloc: () => isolateFreepage(cc),
  put: folioPut,
});

/**
 * isolate_freepages() of one: the free frame that is highest, in no block that is being emptied, all free or the
 * kernel's.
 */
function* isolateFreepage(cc: CompactControl): Steps<Pfn | null> {
  const { zone } = cc.host;
  while (!haveScannersMet(cc)) {
    const block = cc.freePfn >> cc.blockOrder;
    const isTarget = yield* zone.isSuitableTarget(cc.freePfn as Pfn, cc.blockOrder);
    if (!isTarget && cc.order !== WHOLE_ZONE) {
      cc.freePfn = (block << cc.blockOrder) - 1;
      continue;
    }
    if (!zone.isAbove(zone.watermarks.min, 0)) return null;
    const pfn = cc.freePfn-- as Pfn;
    cc.freeScanned++;
    if (!(yield* zone.takeFree(pfn, FrameKind.folio))) continue;
    cc.isolated++;
    return pfn;
  }
  return null;
}
