// Memory cgroups: what a group of processes may have of memory and of swap, what it has, and what happened to it
// (mm/memcontrol.c, mm/page_counter.c; cgroup v2).
//
// A process belongs to one (mm.memcg), or to none: to the root, which has no limits. Whoever first touches a page is
// charged for it (memcgCharge.ts), until its frame is freed; whoever had it when it got a swap slot is charged for that,
// until the slot is free. Each cgroup has LRU lists of its own, which reclaim goes through for its sake or for everybody's
// (vmscan.ts). There is one level: a cgroup has no children. Memory of the kernel (page tables, shadow pages) is not
// charged to anybody. Linux keeps charges in stock per CPU; here each is exact.
//
// Invariants: memory.usage is the number of frames whose frames.memcg names the cgroup, of a large folio all that it has;
// swap.usage that of the slots. frames.memcg changes only while nobody else can have found the folio, or while it is
// isolated and its references are frozen: who has a reference may rely on it.
// Lock: none; a counter is charged in one step (atomic_long_t in Linux).

import type { Scheduler } from '../../sched/index.ts';
import { bug, Errno, type Pfn, type SwapSlot } from '../../units.ts';
import type { Host } from '../host.ts';
import type { Frames } from '../page/frames.ts';
import type { Vmstat } from '../proc/vmstat.ts';
import { Lruvec, MAX_LRUVECS } from '../reclaim/lru.ts';
import type { Mm } from '../vma/mmStruct.ts';

/** struct page_counter: pages. */
export class PageCounter {
  usage = 0;
  /** The most there ever were (memory.peak, memory.swap.peak). */
  peak = 0;
  max = Number.POSITIVE_INFINITY;
  high = Number.POSITIVE_INFINITY;
  /**
   * Of memory: below `min` global reclaim takes nothing, and below `low` nothing as long as others have more than
   * theirs.
   */
  min = 0;
  low = 0;

  /** page_counter_try_charge(). */
  tryCharge(pages: number): boolean {
    if (this.usage + pages > this.max) return false;
    this.usage += pages;
    this.peak = Math.max(this.peak, this.usage);
    return true;
  }

  /** page_counter_uncharge(). */
  uncharge(pages: number): void {
    this.usage -= pages;
    if (this.usage < 0) bug('a memory cgroup is uncharged of more than it has', { usage: this.usage });
  }

  /** mem_cgroup_margin(): what can still be charged. */
  get margin(): number {
    return Math.max(0, this.max - this.usage);
  }

  get isOverHigh(): boolean {
    return this.usage > this.high;
  }
}

export class MemCgroup {
  readonly id: number;
  readonly name: string;
  readonly memory = new PageCounter();
  readonly swap = new PageCounter();
  readonly lruvec: Lruvec;
  /** memory.events, and memory.swap.events. */
  readonly events = { low: 0, high: 0, max: 0, oom: 0, oom_kill: 0, swap_max: 0, swap_fail: 0 };
  /** Faults of its processes; the rest of memory.stat is the lruvec's. */
  readonly faults = { pgfault: 0, pgmajfault: 0 };

  constructor(id: number, name: string, lruvec: Lruvec) {
    this.id = id;
    this.name = name;
    this.lruvec = lruvec;
  }

  /** mem_cgroup_below_min(): global reclaim leaves it alone. */
  get isBelowMin(): boolean {
    return this.memory.min > 0 && this.memory.min >= this.memory.usage;
  }

  /** mem_cgroup_below_low(). */
  get isBelowLow(): boolean {
    return this.memory.low > 0 && this.memory.low >= this.memory.usage;
  }
}

/** The cgroups of a host; the root is null, and its id 0. */
export class MemCgroups {
  readonly #sched: Scheduler;
  readonly #frames: Frames;
  readonly #vmstat: Vmstat;
  readonly #root: Lruvec;
  /** Oldest first: the ids are 1, 2, 3, ... */
  readonly all: MemCgroup[] = [];
  /** Where the next reclaimer goes on that does not go through all (mem_cgroup_reclaim_iter): 0 is the root. */
  position = 0;

  constructor(sched: Scheduler, frames: Frames, vmstat: Vmstat, root: Lruvec) {
    this.#sched = sched;
    this.#frames = frames;
    this.#vmstat = vmstat;
    this.#root = root;
  }

  /** mkdir(2): a cgroup without limits, or -EBUSY when there are too many. */
  create(name: string): MemCgroup | number {
    const id = this.all.length + 1;
    if (id >= MAX_LRUVECS) return -Errno.EBUSY;
    const lruvec = new Lruvec(this.#sched, this.#frames, this.#vmstat, id, this.#root);
    const memcg = new MemCgroup(id, name, lruvec);
    this.all.push(memcg);
    return memcg;
  }

  of(id: number): MemCgroup | null {
    return id === 0 ? null : (this.all[id - 1] ?? bug('a memory cgroup that is not there', { id }));
  }

  /** mem_cgroup_lruvec(). */
  lruvecOf(memcg: MemCgroup | null): Lruvec {
    return memcg === null ? this.#root : memcg.lruvec;
  }
}

/** One reading of a cgroup's files: pages, and occurrences. memory.stat and the events have no prefix. */
export const readMemCgroup = (memcg: MemCgroup): Readonly<Record<string, number>> => ({
  'memory.current': memcg.memory.usage,
  'memory.peak': memcg.memory.peak,
  'memory.swap.current': memcg.swap.usage,
  'memory.swap.peak': memcg.swap.peak,
  inactive_anon: memcg.lruvec.inactive('anon'),
  active_anon: memcg.lruvec.active('anon'),
  inactive_file: memcg.lruvec.inactive('file'),
  active_file: memcg.lruvec.active('file'),
  unevictable: memcg.lruvec.unevictable,
  ...memcg.faults,
  ...memcg.lruvec.stat,
  ...memcg.events,
});

/** count_vm_event(PGMAJFAULT) and count_memcg_event_mm(): `mm` is whose fault it was, if it was one. */
export function countMajorFault({ vmstat }: Host, mm: Mm | null): void {
  vmstat.pgmajfault++;
  if (mm !== null && mm.memcg !== null) mm.memcg.faults.pgmajfault++;
}

/** folio_memcg(). The caller has a reference to the folio. */
export const folioMemcg = ({ frames, memcgs }: Host, pfn: Pfn): MemCgroup | null =>
  memcgs.of(frames.memcg[pfn]!);

/** folio_lruvec(). The caller has a reference to the folio. */
export function folioLruvec({ frames, lruvec, memcgs }: Host, pfn: Pfn): Lruvec {
  const id = frames.memcg[pfn]!;
  return id === 0 ? lruvec : memcgs.of(id)!.lruvec;
}

/** commit_charge(): the folio, which nobody else knows yet, is what `memcg` was charged for. */
export function commitCharge({ frames }: Host, pfn: Pfn, memcg: MemCgroup): void {
  if (frames.memcg[pfn] !== 0) bug('a folio is charged twice', { pfn });
  frames.memcg[pfn] = memcg.id;
}

/** mem_cgroup_uncharge(): the folio is about to be freed. */
export function memCgroupUncharge(host: Host, pfn: Pfn): void {
  folioMemcg(host, pfn)?.memory.uncharge(host.frames.nrPages(pfn));
  host.frames.memcg[pfn] = 0;
}

/** mem_cgroup_migrate(): `to` stands for `from`, which is freed soon. */
export function memCgroupMigrate({ frames }: Host, from: Pfn, to: Pfn): void {
  frames.memcg[to] = frames.memcg[from]!;
  frames.memcg[from] = 0;
}

/** mem_cgroup_try_charge_swap(): `slot` for a folio of `memcg`; false: it may have no more, or there is none (0). */
export function memCgroupTryChargeSwap(memcg: MemCgroup | null, slot: SwapSlot | 0): boolean {
  if (memcg === null) return slot !== 0;
  if (slot !== 0) {
    if (memcg.swap.tryCharge(1)) return true;
    memcg.events.swap_max++;
  }
  memcg.events.swap_fail++;
  return false;
}

/** mem_cgroup_get_nr_swap_pages(): slots that a page of `memcg` could get. */
export function memCgroupSwapPages({ swap }: Host, memcg: MemCgroup | null): number {
  const free = swap?.freeSlots ?? 0;
  return memcg === null ? free : Math.min(free, memcg.swap.margin);
}

/** mem_cgroup_swap_full(): slots are scarce for the folio's owner: give them back rather early. */
export function memCgroupSwapFull(host: Host, pfn: Pfn): boolean {
  if (host.swap?.isNearlyFull) return true;
  const swap = folioMemcg(host, pfn)?.swap;
  return swap !== undefined && swap.usage * 2 >= swap.max;
}
