// Refault distance: does a page that comes back belong to the working set? (mm/workingset.c)
//
// Reclaim leaves a shadow in the swap cache or page cache when it evicts a page; who reads it again asks what the
// shadow says. The clock is the number of evictions and activations; a page that comes back sooner than the lists are
// long was evicted too early and starts out active.
//
// Invariant: a shadow is negative, so that it can be told from a pfn and from nothing.

import { at, points, type Steps } from '../../sched/index.ts';
import type { Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioLruvec, type MemCgroup, memCgroupSwapPages } from '../memcg/memcontrol.ts';
import { PG_active, PG_workingset } from '../page/frames.ts';
import { type LruType, MAX_LRUVECS } from './lru.ts';

/** Bits of the clock that a shadow keeps, and below them whose it is, and whether the page was in the working set. */
const EVICTION_BITS = 23;
const EVICTION_MASK = 2 ** EVICTION_BITS - 1;

interface Shadow {
  readonly eviction: number;
  /** The cgroup for whose sake it was evicted; null: everybody's. */
  readonly memcg: MemCgroup | null;
  readonly workingset: boolean;
}

const packShadow = (eviction: number, memcg: MemCgroup | null, workingset: boolean): number =>
  -(1 + ((eviction & EVICTION_MASK) * MAX_LRUVECS + (memcg?.id ?? 0)) * 2 + Number(workingset));

function unpackShadow({ memcgs }: Host, shadow: number): Shadow {
  const packed = -shadow - 1;
  const memcg = memcgs.of((packed >>> 1) % MAX_LRUVECS);
  return { eviction: Math.floor(packed / 2 / MAX_LRUVECS), memcg, workingset: (packed & 1) !== 0 };
}

/** workingset_eviction(): the shadow to leave behind, by who reclaims for `target`. Preceded by at.page(pfn). */
export function workingsetEviction(host: Host, pfn: Pfn, target: MemCgroup | null): number {
  const lruvec = host.memcgs.lruvecOf(target);
  const eviction = lruvec.nonresidentAge;
  lruvec.age(1);
  return packShadow(eviction, target, host.frames.test(pfn, PG_workingset));
}

/** workingset_refault(): the page is back, not yet on a list; `shadow` is not 0. */
export function* workingsetRefault(host: Host, pfn: Pfn, shadow: number): Steps {
  const { vmstat, frames } = host;
  const lruvec = folioLruvec(host, pfn);
  const unpacked = unpackShadow(host, shadow);
  if (points.on) yield at.page(pfn);
  const type = lruvec.typeOf(pfn);
  vmstat[`workingset_refault_${type}`]++;
  lruvec.stat[`workingset_refault_${type}`]++;
  if (!isRecent(host, unpacked, type)) return;
  if (points.on) yield at.page(pfn);
  frames.set(pfn, PG_active);
  lruvec.age(1);
  vmstat[`workingset_activate_${type}`]++;
  lruvec.stat[`workingset_activate_${type}`]++;
  if (!unpacked.workingset) return;
  frames.set(pfn, PG_workingset);
  // lru_note_cost_refault(): it was of use, and has to be read again.
  lruvec.noteCost(type, 1, 0);
  vmstat[`workingset_restore_${type}`]++;
  lruvec.stat[`workingset_restore_${type}`]++;
}

/** workingset_test_recent(): would the folio have stayed, had it had the room of the active lists as well? */
function isRecent(host: Host, { eviction, memcg }: Shadow, type: LruType): boolean {
  const lruvec = host.memcgs.lruvecOf(memcg);
  const distance = (lruvec.nonresidentAge - eviction) & EVICTION_MASK;
  let workingsetSize = lruvec.active('file');
  if (type === 'anon') workingsetSize += lruvec.inactive('file');
  if (memCgroupSwapPages(host, memcg) > 0) {
    workingsetSize += lruvec.active('anon');
    if (type === 'file') workingsetSize += lruvec.inactive('anon');
  }
  return distance <= workingsetSize;
}
