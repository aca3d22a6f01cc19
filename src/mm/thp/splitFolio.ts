// Taking a large folio apart: 512 folios of one page, each mapped where it was (mm/huge_memory.c: __folio_split).
//
// Reclaim does it with what it cannot swap out in one piece, madvise() with what it wants a part of, the deferred split
// queue with folios that are mapped in part: whatever of them nobody maps comes free.
//
// Order: anon_vma for write; PMDs split and every mapping made a migration entry (each VMA between its start and end);
// CPUs flushed; references frozen; the folio taken apart; every entry made a mapping again, of
// pages that hold zeros one of the zero page; unlock. If somebody else has
// a reference nothing comes of it but that its mappings are PTEs now. Of a file: i_mmap_rwsem for read; the mappings are
// dropped, to be faulted in again; CPUs flushed; i_pages locked; references frozen; taken apart; unlock.
// Locks: the folio lock, by the caller, who has one reference; anon_vma->rwsem for write, or i_mmap_rwsem for read and
// i_pages; lru_lock.

import { at, points, type Steps } from '../../sched/index.ts';
import { bug, Errno, PAGE_SIZE, type Pfn } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import { accountHuge, filemapRemoveFolioLocked } from '../filemap/filemap.ts';
import type { Host } from '../host.ts';
import { folioLruvec } from '../memcg/memcontrol.ts';
import { removeMigrationPtesOfLarge, tryToMigrateLarge } from '../migrate/tryToMigrate.ts';
import { folioMapping, folioPut } from '../page/folio.ts';
import { PG_lru } from '../page/frames.ts';
import { HPAGE_PMD_NR } from '../page/largeFolio.ts';
import { TlbUnmapBatch } from '../pagetable/tlbFlush.ts';
import type { AnonVma } from '../rmap/anonVma.ts';
import { folioAnonVma } from '../rmap/rmap.ts';
import { unmapToSplit } from '../rmap/tryToUnmapLarge.ts';
import { freeSwapCache } from '../swap/swapCache.ts';

/**
 * split_folio_to_list(): 0, -EBUSY (it is not mapped any more), or -EAGAIN (somebody else has a reference). The first
 * page stays locked and the caller's; the others go on the LRU next to it, or, if it is isolated, isolated to `isolated`.
 */
export function* splitFolio(host: Host, folio: Pfn, isolated: Pfn[] | null): Steps<number> {
  const { vmstat } = host;
  if (points.on) yield at.page(folio);
  const mapping = folioMapping(host, folio);
  if (points.on) yield at.page(folio);
  const anonVma = folioAnonVma(host, folio);
  let split = false;
  if (mapping !== null) split = yield* splitFileFolio(mapping, folio, isolated);
  else if (anonVma !== null) split = yield* splitAnonFolio(host, anonVma, folio, isolated);
  else return -Errno.EBUSY;
  if (split) yield* unlockTails(host, folio);
  if (split) vmstat.thp_split_page++;
  else vmstat.thp_split_page_failed++;
  return split ? 0 : -Errno.EAGAIN;
}

/** Of a file: its mappings are dropped, and pages beyond the end of the file with them. */
function* splitFileFolio(mapping: AddressSpace, folio: Pfn, isolated: Pfn[] | null): Steps<boolean> {
  const { host, inode, iPages } = mapping;
  const { frames, locks } = host;
  yield* locks.iMmapLockRead(mapping);
  if (points.on) yield at.sequence(inode.id);
  const endIndex = Math.ceil(inode.size / PAGE_SIZE);
  if (points.on) yield at.page(folio);
  let split = frames.count(folio) === frames.maps(folio) + HPAGE_PMD_NR + 1;
  if (split) {
    const batch = new TlbUnmapBatch(host);
    yield* unmapToSplit(mapping, folio, frames.index[folio]!, batch);
    yield* batch.flush();
    yield* iPages.lock.lock();
    if (points.on) yield at.page(folio);
    split = frames.maps(folio) === 0 && frames.freeze(folio, HPAGE_PMD_NR + 1);
    if (split) yield* takeApart(host, folio, isolated, 2);
    if (split) yield* storeSplit(mapping, folio, endIndex);
    // Until now it was found in the places of all.
    if (points.on) yield at.page(folio);
    if (split) frames.unfreeze(folio, 2);
    yield* iPages.lock.unlock();
  }
  yield* locks.iMmapUnlockRead(mapping);
  return split;
}

/** The pages take the places of the folio in the cache, those behind the end of the file leave it. Under i_pages. */
function* storeSplit(mapping: AddressSpace, folio: Pfn, endIndex: number): Steps {
  const { host, iPages } = mapping;
  if (points.on) yield at.page(folio);
  const index = host.frames.index[folio]!;
  accountHuge(host, -1);
  for (let i = 1; i < HPAGE_PMD_NR; i++) {
    const page = (folio + i) as Pfn;
    if (points.on) yield at.list(iPages.lock.id);
    iPages.store(index + i, page);
    if (index + i < endIndex) continue;
    yield* filemapRemoveFolioLocked(mapping, page, 0);
    yield* folioPut(host, page);
  }
}

function* splitAnonFolio(host: Host, anonVma: AnonVma, folio: Pfn, isolated: Pfn[] | null): Steps<boolean> {
  const { frames, locks } = host;
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
    if (split) yield* takeApart(host, folio, isolated, 1);
    if (points.on) yield at.page(folio);
    if (split) frames.unfreeze(folio, 1);
    yield* removeMigrationPtesOfLarge(anonVma, folio, index, split);
  }
  yield* locks.anonVmaUnlockWrite(anonVma);
  return split;
}

/**
 * __split_unmapped_folio(): the references are frozen. Each page gets as many, one of them for the caller, and is locked.
 */
function* takeApart(host: Host, folio: Pfn, isolated: Pfn[] | null, references: number): Steps {
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
    frames.makeSmall(folio, references);
    for (let page = HPAGE_PMD_NR - 1; page >= 0; page--) lruvec.addHead((folio + page) as Pfn, list);
  } else frames.makeSmall(folio, references);
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
