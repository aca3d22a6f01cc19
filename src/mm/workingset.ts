// Refault distance: does a page that comes back belong to the working set? (mm/workingset.c)
//
// Reclaim leaves a shadow in the swap cache or page cache when it evicts a page; who reads it again asks what the
// shadow says. The clock is the number of evictions and activations; a page that comes back sooner than the lists are
// long was evicted too early and starts out active.
//
// Invariant: a shadow is negative, so that it can be told from a pfn and from nothing.

import { at, points, type Steps } from '../sched/index.ts';
import type { Pfn } from '../units.ts';
import { PG_active, PG_workingset } from './frames.ts';
import type { Host } from './host.ts';
import type { LruType } from './lru.ts';

/** Bits of the clock that a shadow keeps; one more says whether the page was in the working set. */
const EVICTION_BITS = 29;
const EVICTION_MASK = 2 ** EVICTION_BITS - 1;

const packShadow = (eviction: number, workingset: boolean): number =>
  -(1 + (eviction & EVICTION_MASK) * 2 + Number(workingset));

/** workingset_age_nonresident(). */
export function workingsetAge(host: Host, pages: number): void {
  host.lruvec.nonresidentAge += pages;
}

/** workingset_eviction(): the shadow to leave behind. Preceded by at.page(pfn). */
export function workingsetEviction(host: Host, pfn: Pfn): number {
  const eviction = host.lruvec.nonresidentAge;
  workingsetAge(host, 1);
  return packShadow(eviction, host.frames.test(pfn, PG_workingset));
}

/** workingset_refault(): the page is back, not yet on a list; `shadow` is not 0. */
export function* workingsetRefault(host: Host, pfn: Pfn, shadow: number): Steps {
  const { vmstat, frames, lruvec } = host;
  const packed = -shadow - 1;
  if (points.on) yield at.page(pfn);
  const type = lruvec.typeOf(pfn);
  vmstat[`workingset_refault_${type}`]++;
  if (!isRecent(host, packed >>> 1, type)) return;
  if (points.on) yield at.page(pfn);
  frames.set(pfn, PG_active);
  workingsetAge(host, 1);
  vmstat[`workingset_activate_${type}`]++;
  if ((packed & 1) === 0) return;
  frames.set(pfn, PG_workingset);
  // lru_note_cost_refault(): it was of use, and has to be read again.
  lruvec.noteCost(type, 1, 0);
  vmstat[`workingset_restore_${type}`]++;
}

/** workingset_test_recent(): would the folio have stayed, had it had the room of the active lists as well? */
function isRecent({ lruvec, swap }: Host, eviction: number, type: LruType): boolean {
  const distance = (lruvec.nonresidentAge - eviction) & EVICTION_MASK;
  let workingsetSize = lruvec.active('file');
  if (type === 'anon') workingsetSize += lruvec.inactive('file');
  if (swap !== null && swap.freeSlots > 0) {
    workingsetSize += lruvec.active('anon');
    if (type === 'file') workingsetSize += lruvec.inactive('anon');
  }
  return distance <= workingsetSize;
}
