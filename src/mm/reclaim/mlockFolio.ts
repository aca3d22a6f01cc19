// Locked folios: PG_mlocked, and the unevictable list, where reclaim does not come across them (mm/mlock.c: mlock_folio,
// munlock_folio).
//
// rmap.ts and its like come here with each mapping that a locked VMA gains or loses, mlock.ts with what is mapped already
// when a VMA is locked or unlocked, referenced.ts and tryToUnmap.ts with folios whose lock got lost. Linux collects folios
// in per-CPU batches first; here each takes the lock.
//
// Invariants: PG_mlocked means that a locked VMA maps the folio, or did when it was last looked at. While the folio is on
// the unevictable list, mlockCount is the number of mappings by locked VMAs, or less: who comes while it is off the LRU is
// not counted, and when the count is 0 too early reclaim finds the VMA (folio_referenced) and locks the folio again.
// Lock: lruvec->lru_lock; of the caller the page table lock of the mapping, so that there is a reference.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioLruvec } from '../memcg/memcontrol.ts';
import { PG_active, PG_lru, PG_mlocked, PG_unevictable } from '../page/frames.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_IO, VM_LOCKED } from '../vma/vmFlags.ts';

/** The test of mlock_vma_folio(): false also while mlock() itself goes through the pages, each of which it counts. */
export const isMlocking = ({ flags }: Vma): boolean => (flags & (VM_LOCKED | VM_IO)) === VM_LOCKED;

/** folio_add_lru_vma(): a folio that `vma` is the first to map, and that is not on a list yet. */
export const folioAddLruVma = (vma: Vma, pfn: Pfn): Steps =>
  isMlocking(vma) ? mlockNewFolio(vma.mm.host, pfn) : folioLruvec(vma.mm.host, pfn).add(pfn);

/** mlock_new_folio(). */
function* mlockNewFolio(host: Host, pfn: Pfn): Steps {
  if (points.on) yield at.page(pfn);
  setMlocked(host, pfn);
  yield* folioLruvec(host, pfn).add(pfn, 1);
}

/** mlock_folio(): a locked VMA maps the folio from now on. */
export function* mlockFolio(host: Host, pfn: Pfn): Steps {
  const { frames, vmstat } = host;
  const lruvec = folioLruvec(host, pfn);
  yield* lruvec.lock.lock();
  if (points.on) yield at.page(pfn);
  setMlocked(host, pfn);
  // Off the LRU there is no more to do: whoever puts it back sees the flag.
  if (frames.testAndClear(pfn, PG_lru)) {
    if (frames.test(pfn, PG_unevictable)) frames.mlockCount[pfn]!++;
    else {
      yield* changeList(host, pfn, true);
      vmstat.unevictable_pgs_culled += frames.nrPages(pfn);
    }
    if (points.on) yield at.page(pfn);
    frames.set(pfn, PG_lru);
  }
  yield* lruvec.lock.unlock();
}

/** munlock_folio(): a locked VMA maps it no more, or is locked no more. */
export function* munlockFolio(host: Host, pfn: Pfn): Steps {
  const { frames, vmstat } = host;
  const lruvec = folioLruvec(host, pfn);
  yield* lruvec.lock.lock();
  if (points.on) yield at.page(pfn);
  const isOnList = frames.testAndClear(pfn, PG_lru);
  const isCounted = isOnList && frames.test(pfn, PG_unevictable);
  if (isCounted && frames.mlockCount[pfn]! > 0) frames.mlockCount[pfn]!--;
  if (!isCounted || frames.mlockCount[pfn] === 0) {
    clearMlocked(host, pfn, isOnList);
    if (isCounted) {
      yield* changeList(host, pfn, false);
      vmstat.unevictable_pgs_rescued += frames.nrPages(pfn);
    }
  }
  if (points.on) yield at.page(pfn);
  if (isOnList) frames.set(pfn, PG_lru);
  yield* lruvec.lock.unlock();
}

/** folio_test_set_mlocked() and its counters. One step. Preceded by at.page(pfn). */
function setMlocked({ frames, vmstat }: Host, pfn: Pfn): void {
  if (frames.testAndSet(pfn, PG_mlocked)) return;
  vmstat.nr_mlock += frames.nrPages(pfn);
  vmstat.unevictable_pgs_mlocked += frames.nrPages(pfn);
}

/** folio_test_clear_mlocked() and its counters; it stays unevictable for a while if it is isolated. As setMlocked(). */
function clearMlocked({ frames, vmstat }: Host, pfn: Pfn, isOnList: boolean): void {
  if (!frames.testAndClear(pfn, PG_mlocked)) return;
  const pages = frames.nrPages(pfn);
  vmstat.nr_mlock -= pages;
  if (isOnList || !frames.test(pfn, PG_unevictable)) vmstat.unevictable_pgs_munlocked += pages;
  else vmstat.unevictable_pgs_stranded += pages;
}

/** To the unevictable list, with one mapping counted, or from there to the list that it came from. Under lru_lock. */
function* changeList(host: Host, pfn: Pfn, unevictable: boolean): Steps {
  const { frames } = host;
  const lruvec = folioLruvec(host, pfn);
  if (points.on) yield at.page(pfn);
  const from = lruvec.listOf(pfn);
  if (unevictable) {
    frames.clear(pfn, PG_active);
    frames.set(pfn, PG_unevictable);
    frames.mlockCount[pfn] = 1;
  } else frames.clear(pfn, PG_unevictable);
  const to = lruvec.listOf(pfn);
  if (points.on) yield at.lru(lruvec.lock.id);
  lruvec.remove(pfn, from);
  lruvec.addHead(pfn, to);
}
