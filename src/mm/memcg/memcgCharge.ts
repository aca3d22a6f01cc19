// Charging a memory cgroup for a page, and what happens at its limits (mm/memcontrol.c: try_charge_memcg, charge_memcg,
// memory_max_write).
//
// pageAlloc.ts comes here with each new folio of a process or file, the swap cache with what it reads in. Over
// memory.max the one who charges reclaims within the cgroup, again and again; then the OOM killer takes one of its
// processes. Over memory.high he reclaims as well, but gets his page, and is held back the longer the more it is over.
//
// Invariants: no more than memory.max is ever charged. Nothing here touches a page that the cgroup is not charged for.
// Linux puts off reclaim over memory.high until the task returns to user mode; here it is done at once. May sleep.

import type { Steps } from '../../sched/index.ts';
import { Errno, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { tryToFreeMemCgroupPages } from '../reclaim/directReclaim.ts';
import { MAX_RECLAIM_RETRIES } from '../reclaim/scanControl.ts';
import { JIFFY, scheduleTimeout } from '../timeout.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { commitCharge, type MemCgroup } from './memcontrol.ts';

const SECOND = 1_000_000_000;
/** MEM_CGROUP_MAX_HIGH_DELAY_JIFFIES, and what is too short to bother, in ns. */
const MAX_HIGH_DELAY = 2 * SECOND;
const MIN_HIGH_DELAY = SECOND / 100;
/** By how much the square of the excess is scaled down (MEMCG_DELAY_SCALING_SHIFT), and for how many pages it is meant. */
const DELAY_SCALING = 2 ** -14;
const MEMCG_CHARGE_BATCH = 64;
/** 1 << PAGE_ALLOC_COSTLY_ORDER: more at once is given up early. */
const COSTLY_PAGES = 8;

/**
 * mem_cgroup_charge(): `memcg`, null for the root, is charged for a new folio that nobody else knows. False when it may
 * not have it; then the folio is the caller's to put. `mm` is the address space that the caller works for.
 * `mayReclaim`: false for what nobody has asked for.
 */
export function* chargeMemcg(
  host: Host,
  pfn: Pfn,
  memcg: MemCgroup | null,
  mm: Mm | null,
  mayReclaim = true,
): Steps<boolean> {
  if (memcg === null) return true;
  const pages = host.frames.nrPages(pfn);
  const charged = mayReclaim ? yield* tryChargeMemcg(host, memcg, pages, mm) : memcg.memory.tryCharge(pages);
  if (!charged) return false;
  commitCharge(host, pfn, memcg);
  if (memcg.memory.isOverHigh && mayReclaim) yield* handleOverHigh(host, memcg, pages, mm);
  return true;
}

/** try_charge_memcg(). */
function* tryChargeMemcg(host: Host, memcg: MemCgroup, pages: number, mm: Mm | null): Steps<boolean> {
  const { memory, events } = memcg;
  let retries = MAX_RECLAIM_RETRIES;
  let passedOom = false;
  while (!memory.tryCharge(pages)) {
    events.max++;
    const reclaimed = yield* tryToFreeMemCgroupPages(host, memcg, pages);
    if (memory.margin >= pages) continue;
    // Of huge pages there are small ones instead (__GFP_NORETRY).
    if (pages > COSTLY_PAGES) return false;
    if (reclaimed > 0) continue;
    if (retries-- > 0) {
      yield* waitForIsolated(host);
      continue;
    }
    // Who is to die gets no second victim.
    if (passedOom && mm?.killed) return false;
    if (!(yield* memCgroupOom(host, memcg))) return false;
    passedOom = true;
    retries = MAX_RECLAIM_RETRIES;
  }
  return true;
}

/** Of a small cgroup others may have in hand all there is: so that they get on, rather than somebody killed. */
function* waitForIsolated({ nrIsolated, sched }: Host): Steps {
  if (nrIsolated.anon + nrIsolated.file > 0) yield* scheduleTimeout(sched, JIFFY);
}

/** mem_cgroup_oom(): true when there will be memory, so that it makes sense to try again. */
function* memCgroupOom(host: Host, memcg: MemCgroup): Steps<boolean> {
  memcg.events.oom++;
  if (memcg.memory.margin > 0) return true;
  if (!host.oomKiller.outOfMemory(host, memcg)) return false;
  yield* scheduleTimeout(host.sched, JIFFY);
  return true;
}

/** __mem_cgroup_handle_over_high(): reclaims until nothing comes of it, then waits. */
function* handleOverHigh(host: Host, memcg: MemCgroup, pages: number, mm: Mm | null): Steps {
  const { memory, events } = memcg;
  let retries = MAX_RECLAIM_RETRIES;
  while (memory.isOverHigh) {
    // Who is exiting gives back more than he could reclaim.
    if (mm?.killed) return;
    events.high++;
    const reclaimed = yield* tryToFreeMemCgroupPages(host, memcg, pages);
    const delay = highDelay(memcg, pages);
    if (delay <= MIN_HIGH_DELAY) return;
    if (reclaimed > 0 || retries-- > 0) continue;
    yield* scheduleTimeout(host.sched, delay);
    return;
  }
}

/** calculate_high_delay(): ns that go up with the square of the part by which it is over. */
function highDelay({ memory: { usage, high } }: MemCgroup, pages: number): number {
  if (usage <= high) return 0;
  const overage = ((usage - high) / Math.max(high, 1)) * 2 ** 20;
  const penalty = (((overage * overage) / 2 ** 20) * DELAY_SCALING * SECOND * pages) / MEMCG_CHARGE_BATCH;
  return Math.floor(Math.min(penalty, MAX_HIGH_DELAY));
}

/** Writing memory.max, in pages: what is over it is reclaimed, or somebody killed, before it returns. */
export function* memoryMaxWrite(host: Host, memcg: MemCgroup, pages: number): Steps {
  const { memory, events } = memcg;
  let retries = MAX_RECLAIM_RETRIES;
  memory.max = pages;
  while (memory.usage > pages) {
    if (retries > 0) {
      if ((yield* tryToFreeMemCgroupPages(host, memcg, memory.usage - pages)) === 0) retries--;
      continue;
    }
    events.oom++;
    if (!host.oomKiller.outOfMemory(host, memcg)) return;
    yield* scheduleTimeout(host.sched, JIFFY);
  }
}

/** Writing memory.high, in pages: tries to get below it. */
export function* memoryHighWrite(host: Host, memcg: MemCgroup, pages: number): Steps {
  const { memory } = memcg;
  memory.high = pages;
  for (let retries = MAX_RECLAIM_RETRIES; memory.usage > pages; ) {
    const reclaimed = yield* tryToFreeMemCgroupPages(host, memcg, memory.usage - pages);
    if (reclaimed === 0 && retries-- === 0) return;
  }
}

/**
 * Writing memory.reclaim, user_proactive_reclaim(): a quarter of what is left at a time, so that little more is taken than
 * was asked for. 0, or -EAGAIN when so many pages could not be had.
 */
export function* memoryReclaimWrite(host: Host, memcg: MemCgroup, pages: number): Steps<number> {
  let left = pages;
  for (let retries = MAX_RECLAIM_RETRIES; left > 0; ) {
    const reclaimed = yield* tryToFreeMemCgroupPages(host, memcg, Math.floor(left / 4));
    if (reclaimed === 0 && retries-- === 0) return -Errno.EAGAIN;
    left -= reclaimed;
  }
  return 0;
}
