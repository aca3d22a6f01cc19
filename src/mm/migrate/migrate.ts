// Page migration: pages of processes and files move to other frames, while everybody goes on using them
// (mm/migrate.c).
//
// Who wants frames emptied calls migratePages() with folios that it has isolated from the LRU: compaction, NUMA
// balancing, and migrateUserPages() for users of the host. Each folio is locked and unmapped, migration entries stand
// for it meanwhile, its content moves, and the entries become mappings of the new frame. A large folio is split first, and
// its pages are moved one by one, without waiting (no CONFIG_ARCH_ENABLE_THP_MIGRATION).
//
// Invariants: a folio either moves, or stays as it was; who has a reference to it, or a pin, keeps it from moving, which
// is tried a few times (-EAGAIN). CPUs are flushed before the content is copied. Of several folios that are locked at
// once none is waited for: those that are locked already are left for a second turn, one by one.
// Locks: folio locks; below them those of rmap, i_pages and the swap cache. May sleep, unless the mode is ASYNC.

import { at, COND_RESCHED, points, RESCHED, type Steps } from '../../sched/index.ts';
import { MigrateMode, type MigrateReason } from '../../trace/index.ts';
import { Errno, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioLruvec } from '../memcg/memcontrol.ts';
import { folioPut, folioUnlockPut } from '../page/folio.ts';
import { PG_active, PG_unevictable, PG_uptodate, PG_writeback } from '../page/frames.ts';
import { TlbUnmapBatch } from '../pagetable/tlbFlush.ts';
import { moveFoliosToLru, pagesOf } from '../reclaim/vmscan.ts';
import { splitFolio } from '../thp/splitFolio.ts';
import { moveToNewFolio } from './migrateFolio.ts';
import { removeMigrationPtes, tryToMigrate } from './tryToMigrate.ts';

/** Passes over the folios of a batch, of which so many are tried without waiting before those that wait. */
const NR_MAX_MIGRATE_PAGES_RETRY = 10;
const NR_MAX_MIGRATE_ASYNC_RETRY = 3;
const NR_MAX_MIGRATE_SYNC_RETRY = NR_MAX_MIGRATE_PAGES_RETRY - NR_MAX_MIGRATE_ASYNC_RETRY;
/** Folios whose flushes are put off together; fewer on tiny hosts. */
const NR_MAX_BATCHED_MIGRATION = 512;

/** Where folios go (new_folio_t, free_folio_t). */
export interface MigrationTarget {
  /** A frame with one reference, contents undefined; null: there is none. */
  alloc(host: Host): Steps<Pfn | null>;
  /** It was not needed. */
  put(host: Host, pfn: Pfn): Steps;
}

/** One call of migrate_pages(). */
interface Migration {
  readonly host: Host;
  readonly target: MigrationTarget;
  /** In pages. */
  succeeded: number;
  failed: number;
  /** Large folios: all of them, and those that were split. */
  thpFailed: number;
  thpSplit: number;
}

/** A folio on its way: both are locked, nothing maps either (__migrate_folio_record()). */
interface Unmapped {
  readonly from: Pfn;
  readonly to: Pfn;
  readonly wasMapped: boolean;
}

/** What a pass over a batch leaves behind. */
interface BatchResult {
  /** Not moved: to be tried in another mode, or put back. */
  readonly left: Pfn[];
  readonly outOfMemory: boolean;
}

/**
 * migrate_pages(): moves `folios`, which are isolated and counted so; those that could not be moved are left in the array,
 * for putbackMovablePages(). Returns their number, or -ENOMEM when the target had no room for more.
 */
export function* migratePages(
  host: Host,
  folios: Pfn[],
  target: MigrationTarget,
  mode: MigrateMode,
  reason: MigrateReason,
): Steps<number> {
  host.trace.mm_migrate_pages_start?.(mode, reason);
  const migration: Migration = { host, target, succeeded: 0, failed: 0, thpFailed: 0, thpSplit: 0 };
  const left: Pfn[] = [];
  const batchSize = Math.min(NR_MAX_BATCHED_MIGRATION, Math.max(1, host.zone.managedPages >> 4));
  let outOfMemory = false;
  while (folios.length > 0 && !outOfMemory) {
    const batch = folios.splice(0, batchSize);
    const split: Pfn[] = [];
    const result =
      mode === MigrateMode.ASYNC
        ? yield* migratePagesBatch(migration, batch, split, mode, NR_MAX_MIGRATE_PAGES_RETRY)
        : yield* migratePagesSync(migration, batch, split, mode);
    left.push(...result.left);
    outOfMemory = result.outOfMemory;
    left.push(...(outOfMemory ? split : yield* migrateSplit(migration, split)));
  }
  folios.push(...left);
  const { succeeded, failed, thpFailed, thpSplit } = migration;
  host.vmstat.pgmigrate_success += succeeded;
  host.vmstat.pgmigrate_fail += failed;
  host.vmstat.thp_migration_fail += thpFailed;
  host.vmstat.thp_migration_split += thpSplit;
  host.trace.mm_migrate_pages?.(succeeded, failed, 0, thpFailed, thpSplit, thpSplit, mode, reason);
  if (outOfMemory) return -Errno.ENOMEM;
  return folios.length;
}

/** The pages of large folios, which have failed already: those that did not move now. */
function* migrateSplit(migration: Migration, pages: Pfn[]): Steps<Pfn[]> {
  const { left } = yield* migratePagesBatch(migration, pages, null, MigrateMode.ASYNC, 1);
  return left;
}

/** migrate_pages_sync(): all together without waiting, then what is left one by one. */
function* migratePagesSync(
  migration: Migration,
  folios: Pfn[],
  split: Pfn[],
  mode: MigrateMode,
): Steps<BatchResult> {
  const { failed, thpFailed, thpSplit } = migration;
  const passes = NR_MAX_MIGRATE_ASYNC_RETRY;
  const first = yield* migratePagesBatch(migration, folios, split, MigrateMode.ASYNC, passes);
  if (first.outOfMemory) return first;
  // They get another chance, those that were split excepted.
  migration.failed = failed;
  migration.thpFailed = thpFailed + (migration.thpSplit - thpSplit);
  const left: Pfn[] = [];
  while (first.left.length > 0) {
    const one = first.left.splice(0, 1);
    const result = yield* migratePagesBatch(migration, one, split, mode, NR_MAX_MIGRATE_SYNC_RETRY);
    left.push(...result.left);
    if (result.outOfMemory) return { left: [...left, ...first.left], outOfMemory: true };
  }
  return { left, outOfMemory: false };
}

/** migrate_pages_batch(): unmaps all it can, flushes once, then moves what is unmapped. Large folios go to `split`. */
function* migratePagesBatch(
  migration: Migration,
  folios: readonly Pfn[],
  split: Pfn[] | null,
  mode: MigrateMode,
  passes: number,
): Steps<BatchResult> {
  const { host } = migration;
  const batch = mode === MigrateMode.ASYNC ? new TlbUnmapBatch(host) : null;
  const unmapped: Unmapped[] = [];
  const left: Pfn[] = [];
  let again = [...folios];
  let outOfMemory = false;
  for (let pass = 0; pass < passes && again.length > 0 && !outOfMemory; pass++) {
    const retry: Pfn[] = [];
    for (const [i, pfn] of again.entries()) {
      // cond_resched(), with no folio locked that somebody may wait for.
      if (unmapped.length === 0) yield COND_RESCHED;
      if (split !== null && host.frames.order[pfn] !== 0) {
        migration.thpFailed++;
        if (yield* trySplitFolio(host, pfn, split, mode)) migration.thpSplit++;
        else left.push(pfn);
        continue;
      }
      const result = yield* unmapUnlessFreed(migration, pfn, mode, batch);
      if (typeof result === 'object') unmapped.push(result);
      else if (result === -Errno.EAGAIN) retry.push(pfn);
      else if (result < 0) left.push(pfn);
      if (result !== -Errno.ENOMEM) continue;
      outOfMemory = true;
      left.push(...again.slice(i + 1));
      break;
    }
    again = retry;
  }
  left.push(...again);
  if (batch !== null) yield* batch.flush();
  left.push(...(yield* migrateFoliosMove(migration, unmapped, passes)));
  migration.failed += pagesOf(host, left);
  return { left, outOfMemory };
}

/** try_split_folio(): the pages, the first one as well, are added to `split`; false: somebody else has a reference. */
function* trySplitFolio(host: Host, folio: Pfn, split: Pfn[], mode: MigrateMode): Steps<boolean> {
  if (points.on) yield at.page(folio);
  if (mode !== MigrateMode.ASYNC) yield* host.folioLocks.lock(folio);
  else if (!host.folioLocks.tryLock(folio)) return false;
  const done = (yield* splitFolio(host, folio, split)) === 0;
  if (points.on) yield at.page(folio);
  host.folioLocks.unlock(folio);
  if (done) split.push(folio);
  return done;
}

/** A record of a folio that is on its way; 0: nobody needs it any more; or -errno as migrateFolioUnmap(). */
function* unmapUnlessFreed(
  migration: Migration,
  pfn: Pfn,
  mode: MigrateMode,
  batch: TlbUnmapBatch | null,
): Steps<Unmapped | number> {
  const { host } = migration;
  if (points.on) yield at.page(pfn);
  if (host.frames.count(pfn) !== 1) return yield* migrateFolioUnmap(migration, pfn, mode, batch);
  host.frames.clear(pfn, PG_active | PG_unevictable);
  yield* migrateFolioDone(migration, pfn);
  return 0;
}

/** migrate_folio_done(): the isolation's reference is the last. */
function* migrateFolioDone(migration: Migration, pfn: Pfn): Steps {
  const { host } = migration;
  if (points.on) yield at.page(pfn);
  host.nrIsolated[host.lruvec.typeOf(pfn)]--;
  host.throttle.wakeIsolated();
  migration.succeeded++;
  yield* folioPut(host, pfn);
}

/**
 * migrate_folio_unmap(): the record of a folio that was unmapped; -EAGAIN: try again; -EBUSY: it is being written;
 * -ENOMEM: nowhere to go.
 */
function* migrateFolioUnmap(
  { host, target }: Migration,
  from: Pfn,
  mode: MigrateMode,
  batch: TlbUnmapBatch | null,
): Steps<Unmapped | number> {
  const to = yield* target.alloc(host);
  if (to === null) return -Errno.ENOMEM;
  const refused = yield* lockForMigration(host, from, mode);
  if (refused !== 0) {
    yield* target.put(host, to);
    return refused;
  }
  if (points.on) yield at.page(to);
  // Nobody knows it yet.
  host.folioLocks.tryLock(to);
  if (points.on) yield at.page(from);
  const wasMapped = host.frames.maps(from) > 0;
  if (wasMapped) yield* tryToMigrate(host, from, batch);
  if (points.on) yield at.page(from);
  const record = { from, to, wasMapped };
  if (host.frames.maps(from) === 0) return record;
  yield* undo(host, target, record);
  return -Errno.EAGAIN;
}

/** Locks the folio, and waits for its writeback if it may: 0, or why not, with nothing locked. */
function* lockForMigration({ frames, folioLocks }: Host, pfn: Pfn, mode: MigrateMode): Steps<number> {
  if (points.on) yield at.page(pfn);
  if (!folioLocks.tryLock(pfn)) {
    // What is being read takes too long.
    if (mode === MigrateMode.ASYNC) return -Errno.EAGAIN;
    if (mode === MigrateMode.SYNC_LIGHT && !frames.test(pfn, PG_uptodate)) return -Errno.EAGAIN;
    yield* folioLocks.lock(pfn);
  }
  if (points.on) yield at.page(pfn);
  if (!frames.test(pfn, PG_writeback)) return 0;
  if (mode !== MigrateMode.SYNC) {
    folioLocks.unlock(pfn);
    return -Errno.EBUSY;
  }
  yield* folioLocks.wait(pfn, PG_writeback);
  return 0;
}

/** migrate_folio_undo_src() and _dst(): the folio is mapped again where it was. */
function* undo(host: Host, target: MigrationTarget, { from, to, wasMapped }: Unmapped): Steps {
  if (wasMapped) yield* removeMigrationPtes(host, from, from);
  if (points.on) yield at.page(from);
  host.folioLocks.unlock(from);
  if (points.on) yield at.page(to);
  host.folioLocks.unlock(to);
  yield* target.put(host, to);
}

/** migrate_folios_move() until it has no more success, and migrate_folios_undo(): the folios that did not move. */
function* migrateFoliosMove(migration: Migration, unmapped: Unmapped[], passes: number): Steps<Pfn[]> {
  let again = unmapped;
  for (let pass = 0; pass < passes && again.length > 0; pass++) {
    const retry: Unmapped[] = [];
    // For who has a reference to let go of it.
    if (pass > 0) yield RESCHED;
    for (const record of again) if (!(yield* migrateFolioMove(migration, record))) retry.push(record);
    again = retry;
  }
  for (const record of again) yield* undo(migration.host, migration.target, record);
  return again.map(({ from }) => from);
}

/** migrate_folio_move(): false: try again. */
function* migrateFolioMove(migration: Migration, { from, to, wasMapped }: Unmapped): Steps<boolean> {
  const { host } = migration;
  if ((yield* moveToNewFolio(host, to, from)) !== 0) return false;
  yield* folioLruvec(host, to).add(to);
  if (wasMapped) yield* removeMigrationPtes(host, from, to);
  yield* folioUnlockPut(host, to);
  if (points.on) yield at.page(from);
  host.folioLocks.unlock(from);
  yield* migrateFolioDone(migration, from);
  return true;
}

/** migrate_folio_add(): takes the folio that has the page off the LRU, if it is there, for migratePages(). */
export function* isolateMovable(host: Host, page: Pfn, into: Pfn[]): Steps {
  const folio = host.frames.folioOf(page);
  if (!(yield* folioLruvec(host, folio).isolate(folio))) return;
  if (points.on) yield at.page(folio);
  host.nrIsolated[host.lruvec.typeOf(folio)] += host.frames.nrPages(folio);
  into.push(folio);
}

/** putback_movable_pages(): what was isolated goes back on the LRU. */
export function* putbackMovablePages(host: Host, folios: Pfn[]): Steps {
  for (const pfn of folios) {
    if (points.on) yield at.page(pfn);
    host.nrIsolated[host.lruvec.typeOf(pfn)] -= host.frames.nrPages(pfn);
  }
  yield* moveFoliosToLru(host, folios.splice(0));
  host.throttle.wakeIsolated();
}
