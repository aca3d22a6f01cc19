// What happens to a folio whoever owns it: the last put, dirtying, being accessed.
//
// Everybody calls these: faults, rmap, reclaim, the swap cache, GUP's callers (kvm). The last put takes the folio off
// the LRU and gives the frame back; it is legal under spinlocks and never sleeps.
//
// Invariant: a folio is referenced once by each PTE or PMD that maps it, once for each of its pages by the swap cache or
// page cache, once by whoever isolated it from the LRU, and once by each GUP caller; a place on the LRU is no reference.

import { at, points, type Steps } from '../../sched/index.ts';
import { bug, PAGE_SIZE, type Pfn, pfnToHpa } from '../../units.ts';
import type { AddressSpace } from '../filemap/addressSpace.ts';
import type { Host } from '../host.ts';
import { folioLruvec, memCgroupUncharge } from '../memcg/memcontrol.ts';
import {
  PG_activate,
  PG_active,
  PG_dirty,
  PG_idle,
  PG_lru,
  PG_mlocked,
  PG_reclaim,
  PG_referenced,
  PG_swapcache,
  PG_unevictable,
} from './frames.ts';
import { HPAGE_PMD_NR, HPAGE_PMD_ORDER } from './largeFolio.ts';

/** folio_put(), folio_put_refs(). */
export function* folioPut(host: Host, pfn: Pfn, references = 1): Steps {
  if (points.on) yield at.page(pfn);
  if (host.frames.putTestZero(pfn, references)) yield* freeFolio(host, pfn);
}

/** folio_unlock() and folio_put(), folio_put_refs(). */
export function* folioUnlockPut(host: Host, pfn: Pfn, references = 1): Steps {
  if (points.on) yield at.page(pfn);
  host.folioLocks.unlock(pfn);
  yield* folioPut(host, pfn, references);
}

/** __folio_put(): nobody has a reference any more. */
export function* freeFolio(host: Host, pfn: Pfn): Steps {
  if (pfn === host.zeroPfn) bug('the zero page was freed');
  if (points.on) yield at.page(pfn);
  if (host.frames.test(pfn, PG_lru)) yield* folioLruvec(host, pfn).release(pfn);
  if (points.on) yield at.page(pfn);
  if (host.frames.testAndClear(pfn, PG_mlocked)) noteCleared(host, host.frames.nrPages(pfn));
  if (host.frames.memcg[pfn] !== 0) memCgroupUncharge(host, pfn);
  if (host.frames.order[pfn] !== 0) return yield* freeLargeFolio(host, pfn);
  host.vmstat.pgfree++;
  yield* host.zone.give(pfn, 0);
}

/** free_pages_prepare(): locked to the end, for want of anybody who knew better. */
function noteCleared({ vmstat }: Host, pages: number): void {
  vmstat.nr_mlock -= pages;
  vmstat.unevictable_pgs_cleared += pages;
}

/** folio_putback_lru(): it was isolated; perhaps it is locked now, or no longer. */
export function* folioPutbackLru(host: Host, pfn: Pfn): Steps {
  yield* folioLruvec(host, pfn).add(pfn);
  yield* folioPut(host, pfn);
}

function* freeLargeFolio(host: Host, folio: Pfn): Steps {
  if (points.on) yield at.page(folio);
  host.frames.unmakeLarge(folio);
  host.vmstat.pgfree += HPAGE_PMD_NR;
  yield* host.zone.give(folio, HPAGE_PMD_ORDER);
}

/** put_page(): of any page of a folio. */
export const putPage = (host: Host, pfn: Pfn): Steps => folioPut(host, host.frames.folioOf(pfn));

/**
 * folio_mark_dirty(): of a file with a disk the folio is counted, so that somebody writes it back. One atomic step: the
 * caller announces at.page(pfn).
 */
export function folioMarkDirty(host: Host, pfn: Pfn): void {
  const { frames } = host;
  const mapping = folioMapping(host, pfn);
  if (mapping !== null || frames.test(pfn, PG_swapcache)) frames.clear(pfn, PG_reclaim);
  if (frames.testAndSet(pfn, PG_dirty)) return;
  if (mapping === null || !mapping.canWriteback) return;
  mapping.dirty.add(frames.index[pfn]!);
  host.vmstat.nr_dirty++;
}

/** folio_mapping() of a folio in the page cache; null of one that is in none. Preceded by at.page(pfn). */
export function folioMapping({ frames, addressSpaces }: Host, pfn: Pfn): AddressSpace | null {
  const mapping = frames.mapping[pfn]!;
  if (mapping >= 0) return null;
  return addressSpaces.byId.get(-mapping) ?? bug('folio of a file that is gone', { pfn });
}

/**
 * folio_mark_accessed(): unreferenced -> referenced -> active. One atomic step: the caller announces at.page(pfn). The
 * move to the active list waits until reclaim meets the folio, as in Linux it waits in a per-CPU batch.
 */
export function folioMarkAccessed(host: Host, pfn: Pfn): void {
  host.frames.clear(pfn, PG_idle);
  if (!host.frames.testAndSet(pfn, PG_referenced)) return;
  if (host.frames.test(pfn, PG_active | PG_unevictable)) return;
  host.frames.clear(pfn, PG_referenced);
  host.frames.set(pfn, PG_activate);
}

/** is_folio_zero_filled(), pages_identical() with the zero page: the last word first, as it is the one most often not zero. */
export function isZeroFilled({ memory }: Host, pfn: Pfn): boolean {
  const first = pfnToHpa(pfn) >>> 2;
  const last = first + PAGE_SIZE / 4 - 1;
  if (memory.i32[last] !== 0) return false;
  for (let word = first; word < last; word++) if (memory.i32[word] !== 0) return false;
  return true;
}
