// Taking a large folio apart: 512 folios of one page, each mapped where it was (mm/huge_memory.c: __folio_split).
//
// Reclaim does it with what it cannot swap out in one piece, madvise() with what it wants a part of, the deferred split
// queue with folios that are mapped in part: whatever of them nobody maps comes free.
//
// Order: anon_vma for write; PMDs split and every mapping made a migration entry (each VMA between its start and end);
// CPUs flushed; references frozen; the folio taken apart; every entry made a mapping again; unlock. If somebody else has
// a reference nothing comes of it but that its mappings are PTEs now.
// Locks: the folio lock, by the caller, who has one reference; anon_vma->rwsem for write; lru_lock.

import { at, points, type Steps } from '../sched/index.ts';
import { bug, Errno, type Pfn } from '../units.ts';
import { folioPut } from './folio.ts';
import { PG_lru } from './frames.ts';
import type { Host } from './host.ts';
import { HPAGE_PMD_NR } from './largeFolio.ts';
import { folioLruvec } from './memcontrol.ts';
import { folioAnonVma } from './rmap.ts';
import { freeSwapCache } from './swapCache.ts';
import { TlbUnmapBatch } from './tlbFlush.ts';
import { removeMigrationPtesOfLarge, tryToMigrateLarge } from './tryToMigrate.ts';

/**
 * split_folio_to_list(): 0, -EBUSY (it is not mapped any more), or -EAGAIN (somebody else has a reference). The first
 * page stays locked and the caller's; the others go on the LRU next to it, or, if it is isolated, isolated to `isolated`.
 */
export function* splitFolio(host: Host, folio: Pfn, isolated: Pfn[] | null): Steps<number> {
  const { frames, locks, vmstat } = host;
  if (points.on) yield at.page(folio);
  const anonVma = folioAnonVma(host, folio);
  if (anonVma === null) return -Errno.EBUSY;
  yield* locks.anonVmaLockWrite(anonVma);
  if (points.on) yield at.page(folio);
  let split = frames.count(folio) === frames.maps(folio) + 1;
  if (split) {
    const index = frames.index[folio]!;
    const batch = new TlbUnmapBatch(host);
    yield* tryToMigrateLarge(anonVma, folio, index, batch);
    yield* batch.flush();
    if (points.on) yield at.page(folio);
    split = frames.maps(folio) === 0 && frames.freeze(folio, 1);
    if (split) yield* takeApart(host, folio, isolated);
    yield* removeMigrationPtesOfLarge(anonVma, folio, index);
    if (split) yield* unlockTails(host, folio);
  }
  yield* locks.anonVmaUnlockWrite(anonVma);
  if (split) vmstat.thp_split_page++;
  else vmstat.thp_split_page_failed++;
  return split ? 0 : -Errno.EAGAIN;
}

/** __split_unmapped_folio(): the references are frozen. Each page gets one for the caller, and is locked. */
function* takeApart(host: Host, folio: Pfn, isolated: Pfn[] | null): Steps {
  const { frames } = host;
  const lruvec = folioLruvec(host, folio);
  yield* lruvec.lock.lock();
  if (points.on) yield at.page(folio);
  const isOnLru = frames.test(folio, PG_lru);
  if (isOnLru !== (isolated === null))
    bug('a large folio is split that is isolated for somebody else', { folio });
  if (isOnLru) {
    const list = lruvec.listOf(folio);
    if (points.on) yield at.lru(lruvec.lock.id);
    lruvec.remove(folio, list);
    frames.makeSmall(folio);
    for (let page = HPAGE_PMD_NR - 1; page >= 0; page--) lruvec.addHead((folio + page) as Pfn, list);
  } else frames.makeSmall(folio);
  yield* lruvec.lock.unlock();
  if (isolated === null) return;
  for (let page = folio + 1; page < folio + HPAGE_PMD_NR; page++) {
    if (points.on) yield at.page(page);
    frames.get(page as Pfn);
    isolated.push(page as Pfn);
  }
}

/** free_folio_and_swap_cache() of each page but the first. */
function* unlockTails(host: Host, folio: Pfn): Steps {
  for (let tail = folio + 1; tail < folio + HPAGE_PMD_NR; tail++) {
    const page = tail as Pfn;
    if (points.on) yield at.page(page);
    host.folioLocks.unlockForDevice(page);
    yield* freeSwapCache(host, page);
    yield* folioPut(host, page);
  }
}
