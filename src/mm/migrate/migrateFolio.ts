// The move of one folio that nothing maps to another frame: its content, its place in its cache, what is known of it
// (mm/migrate.c: migrate_folio, folio_migrate_mapping, folio_migrate_flags).
//
// migrate.ts calls it between the two halves of tryToMigrate.ts.
//
// Invariants: a folio that anybody else has a reference to is not moved, since he would go on using the old frame. The
// references of the old folio are frozen while the new one takes its place, so that a lookup finds the one or the other.
// Never waits. Locks: the folio locks of both, by the caller; i_pages or the swap lock.

import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Pfn } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import type { Host } from '../host.ts';
import { folioMigrateKsm } from '../ksm/ksmRmap.ts';
import { memCgroupMigrate } from '../memcg/memcontrol.ts';
import { folioMapping } from '../page/folio.ts';
import {
  PG_activate,
  PG_active,
  PG_dirty,
  PG_idle,
  PG_ksm,
  PG_reclaim,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_unevictable,
  PG_uptodate,
  PG_workingset,
  PG_young,
} from '../page/frames.ts';
import { isAnonFolio } from '../rmap/rmapFile.ts';
import { swapCacheReplaceFolioLocked, swapOf } from '../swap/swapCache.ts';

/**
 * What folio_migrate_flags() takes over as it is. PG_mlocked is not among it: locked VMAs set it when they map the
 * copy.
 */
const MIGRATED_FLAGS =
  PG_referenced |
  PG_uptodate |
  PG_active |
  PG_activate |
  PG_workingset |
  PG_dirty |
  PG_reclaim |
  PG_idle |
  PG_young |
  PG_unevictable |
  PG_swapbacked;

/** move_to_new_folio(): 0, or -EAGAIN when somebody else has a reference. */
export function* moveToNewFolio(host: Host, to: Pfn, from: Pfn): Steps<number> {
  const { frames } = host;
  if (points.on) yield at.page(from);
  const mapping = folioMapping(host, from);
  const isCached = mapping !== null || frames.test(from, PG_swapcache);
  // folio_expected_ref_count(), and who isolated it.
  const expected = frames.maps(from) + Number(isCached) + 1;
  if (frames.count(from) !== expected) return -Errno.EAGAIN;
  host.memory.copyFrame(to, from);
  if (mapping !== null) {
    if (!(yield* moveInPageCache(mapping, to, from, expected))) return -Errno.EAGAIN;
  } else if (isCached) {
    if (!(yield* moveInSwapCache(host, to, from, expected))) return -Errno.EAGAIN;
  } else yield* adoptIdentity(host, to, from);
  yield* migrateFlags(host, to, from);
  if (points.on) yield at.page(from);
  if (frames.test(from, PG_ksm)) folioMigrateKsm(host, to, from);
  // Anonymous folios stay anonymous until they are freed.
  if (!isAnonFolio(host, from)) frames.mapping[from] = 0;
  return 0;
}

/** __folio_migrate_mapping() of a page of a file. */
function* moveInPageCache(
  { host, iPages }: AddressSpace,
  to: Pfn,
  from: Pfn,
  expected: number,
): Steps<boolean> {
  const { frames } = host;
  yield* iPages.lock.lock();
  if (points.on) yield at.page(from);
  const frozen = frames.freeze(from, expected);
  if (frozen) {
    yield* adoptIdentity(host, to, from);
    yield* moveDirty(host, to, from);
    if (points.on) yield at.page(to);
    frames.get(to);
    const index = frames.index[to]!;
    if (points.on) yield at.list(iPages.lock.id);
    iPages.store(index, to);
    if (points.on) yield at.page(from);
    frames.unfreeze(from, expected - 1);
  }
  yield* iPages.lock.unlock();
  return frozen;
}

/** __folio_migrate_mapping() of a page that has a swap slot. */
function* moveInSwapCache(host: Host, to: Pfn, from: Pfn, expected: number): Steps<boolean> {
  const { frames } = host;
  const swap = swapOf(host);
  yield* swap.lock.lock();
  if (points.on) yield at.page(from);
  const frozen = frames.freeze(from, expected);
  if (frozen) {
    yield* adoptIdentity(host, to, from);
    yield* moveDirty(host, to, from);
    yield* swapCacheReplaceFolioLocked(host, from, to);
    if (points.on) yield at.page(from);
    frames.unfreeze(from, expected - 1);
  }
  yield* swap.lock.unlock();
  return frozen;
}

/** Index and mapping: who the folio is. */
function* adoptIdentity({ frames }: Host, to: Pfn, from: Pfn): Steps {
  if (points.on) yield at.page(from);
  const index = frames.index[from]!;
  const mapping = frames.mapping[from]!;
  const kind = frames.flags[from]! & (PG_swapbacked | PG_ksm);
  if (points.on) yield at.page(to);
  frames.index[to] = index;
  frames.mapping[to] = mapping;
  frames.set(to, kind);
}

/** While nobody can look at either: the cache has one dirty folio for the page, before and after. */
function* moveDirty({ frames }: Host, to: Pfn, from: Pfn): Steps {
  if (points.on) yield at.page(from);
  const dirty = frames.testAndClear(from, PG_dirty);
  if (points.on) yield at.page(to);
  if (dirty) frames.set(to, PG_dirty);
}

/** folio_migrate_flags(). */
function* migrateFlags(host: Host, to: Pfn, from: Pfn): Steps {
  const { frames } = host;
  if (points.on) yield at.page(from);
  const flags = frames.flags[from]! & MIGRATED_FLAGS;
  frames.clear(from, PG_unevictable);
  if (points.on) yield at.page(to);
  frames.set(to, flags);
  memCgroupMigrate(host, from, to);
}
