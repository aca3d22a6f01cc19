// Refault distance: does a page that comes back belong to the working set? (mm/workingset.c)
//
// Reclaim leaves a shadow in the swap cache when it evicts a page; swap-in asks here what the shadow says. The clock is
// the number of evictions and activations; a page that comes back sooner than the lists are long was evicted too early
// and starts out active.
//
// Invariant: a shadow is negative, so that it can be told from a pfn and from nothing.

import { at, points, type Steps } from '../sched/index.ts';
import type { Pfn } from '../units.ts';
import { PG_active, PG_workingset } from './frames.ts';
import type { Host } from './host.ts';

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
  const { vmstat, frames } = host;
  const packed = -shadow - 1;
  vmstat.workingset_refault_anon++;
  if (!isRecent(host, packed >>> 1)) return;
  if (points.on) yield at.page(pfn);
  frames.set(pfn, PG_active);
  workingsetAge(host, 1);
  vmstat.workingset_activate_anon++;
  if ((packed & 1) === 0) return;
  frames.set(pfn, PG_workingset);
  vmstat.workingset_restore_anon++;
}

/** workingset_test_recent(): there are no file pages, so the whole working set is the active list. */
function isRecent({ lruvec, swap }: Host, eviction: number): boolean {
  const distance = (lruvec.nonresidentAge - eviction) & EVICTION_MASK;
  const workingsetSize = swap !== null && swap.freeSlots > 0 ? lruvec.active : 0;
  return distance <= workingsetSize;
}
