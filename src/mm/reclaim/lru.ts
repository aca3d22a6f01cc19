// The LRU lists: anonymous (and shmem) folios and file folios, inactive and active each (struct lruvec); doubly
// linked lists in typed arrays. What is locked in memory is on a fifth, the unevictable list, which is but counted:
// nobody goes through it.
//
// Faults and swap-in add here, reclaim isolates from the tail and puts back at the head, end of writeback rotates to
// the tail, the last put removes. PG_lru says that a folio is on a list; whoever clears it (isolation) owns the
// links. Linux collects additions in per-CPU batches first; here each takes the lock, and the order is the same.
//
// One set of lists for whatever no memory cgroup is charged for, and one for each cgroup (memcontrol.ts): folioLruvec()
// says which is a folio's.
//
// Invariants: a folio with PG_lru is on the list that PG_unevictable, PG_active and PG_swapbacked name, of its lruvec; one
// that is unevictable is not active. PG_mlocked changes, and is acted upon, under the lock, so that no folio is left on
// the wrong list. Lock: all of it under lruvec->lru_lock; nobody takes two of them.

import { at, LOCKS, Mutex, points, type Scheduler, type Steps } from '../../sched/index.ts';
import { bug, type Pfn } from '../../units.ts';
import {
  type Frames,
  PG_active,
  PG_lru,
  PG_mlocked,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_unevictable,
} from '../page/frames.ts';
import type { Vmstat } from '../proc/vmstat.ts';

/** The weight of an I/O against a rotation. */
const SWAP_CLUSTER_MAX = 32;

/** enum lru_list. */
export const LRU_INACTIVE_ANON = 0;
export const LRU_ACTIVE_ANON = 1;
export const LRU_INACTIVE_FILE = 2;
export const LRU_ACTIVE_FILE = 3;
export const LRU_UNEVICTABLE = 4;
const NR_LRU_LISTS = 5;
/** for_each_evictable_lru(). */
export const LRU_LISTS = [LRU_INACTIVE_ANON, LRU_ACTIVE_ANON, LRU_INACTIVE_FILE, LRU_ACTIVE_FILE] as const;
export type EvictableList = (typeof LRU_LISTS)[number];
export type LruList = EvictableList | typeof LRU_UNEVICTABLE;

/** What is swapped out, and what is read again from a file: the two types of list that reclaim balances. */
export const LRU_TYPES = ['anon', 'file'] as const;
export type LruType = (typeof LRU_TYPES)[number];
export const inactiveListOf = (type: LruType): EvictableList =>
  type === 'anon' ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE;
export const activeListOf = (type: LruType): EvictableList =>
  type === 'anon' ? LRU_ACTIVE_ANON : LRU_ACTIVE_FILE;

/** The most sets of lists there can be: the root's, and those of memory cgroups. */
export const MAX_LRUVECS = 64;

/** What reclaim and workingset.ts have done with folios of one lruvec, in pages, under the names of memory.stat. */
const newLruvecStat = () => ({
  pgscan: 0,
  pgsteal: 0,
  pgactivate: 0,
  pgdeactivate: 0,
  workingset_refault_anon: 0,
  workingset_refault_file: 0,
  workingset_activate_anon: 0,
  workingset_activate_file: 0,
  workingset_restore_anon: 0,
  workingset_restore_file: 0,
});
export type LruvecStat = ReturnType<typeof newLruvecStat>;

type Sizes = [number, number, number, number, number];

export class Lruvec {
  readonly lock: Mutex;
  readonly stat = newLruvecStat();
  /** The root's lists, of a cgroup's; null of the root's. */
  readonly #parent: Lruvec | null;
  readonly #frames: Frames;
  readonly #vmstat: Vmstat;
  /** Everybody's links: a folio is on one list. Heads from endPfn on. */
  readonly #next: Int32Array;
  readonly #prev: Int32Array;
  readonly #head: number;
  readonly #size: Sizes = [0, 0, 0, 0, 0];
  /** The same, with those of all cgroups in the root's (lruvec_page_state()). */
  readonly #total: Sizes = [0, 0, 0, 0, 0];
  /** Activations and evictions so far: the clock of workingset.ts (lruvec->nonresident_age). */
  nonresidentAge = 0;
  /** workingset_activate_anon and _file at the end of the last reclaim (lruvec->refaults). */
  readonly refaults = { anon: 0, file: 0 };
  /** What reclaim has cost lately, decaying (lruvec->anon_cost, file_cost): scanCount.ts weighs by it. */
  readonly cost = { anon: 0, file: 0 };

  /** `id` from 1, and below MAX_LRUVECS, is that of a cgroup, whose `parent` are the root's lists. */
  constructor(sched: Scheduler, frames: Frames, vmstat: Vmstat, id = 0, parent: Lruvec | null = null) {
    this.lock = new Mutex(sched, LOCKS.lru_lock);
    this.#parent = parent;
    this.#vmstat = vmstat;
    this.#frames = frames;
    const links = frames.endPfn + MAX_LRUVECS * NR_LRU_LISTS;
    this.#next = parent === null ? new Int32Array(links) : parent.#next;
    this.#prev = parent === null ? new Int32Array(links) : parent.#prev;
    this.#head = frames.endPfn + id * NR_LRU_LISTS;
    for (const list of LRU_LISTS) {
      const head = this.#head + list;
      this.#next[head] = this.#prev[head] = head;
    }
  }

  // Sizes with those of all cgroups in the root's, by which pressure is judged.

  inactive(type: LruType): number {
    return this.#total[inactiveListOf(type)];
  }

  active(type: LruType): number {
    return this.#total[activeListOf(type)];
  }

  get unevictable(): number {
    return this.#total[LRU_UNEVICTABLE];
  }

  /** What can be scanned here (lruvec_lru_size()). */
  size(list: LruList): number {
    return this.#size[list];
  }

  /** workingset_age_nonresident(). */
  age(pages: number): void {
    this.nonresidentAge += pages;
    this.#parent?.age(pages);
  }

  /** folio_is_file_lru(). Preceded by at.page(pfn). */
  typeOf(pfn: Pfn): LruType {
    return this.#frames.test(pfn, PG_swapbacked) ? 'anon' : 'file';
  }

  /** The list that the folio's flags name (folio_lru_list()). Preceded by at.page(pfn). */
  listOf(pfn: Pfn): LruList {
    if (this.#frames.test(pfn, PG_unevictable)) return LRU_UNEVICTABLE;
    const type = this.typeOf(pfn);
    return this.#frames.test(pfn, PG_active) ? activeListOf(type) : inactiveListOf(type);
  }

  /** lru_note_cost(): an I/O costs as much as the rotation of a whole cluster. */
  noteCost(type: LruType, io: number, rotated: number): void {
    this.#parent?.noteCost(type, io, rotated);
    this.cost[type] += io * SWAP_CLUSTER_MAX + rotated;
    const size = LRU_LISTS.reduce<number>((sum, list) => sum + this.#total[list], 0);
    if (this.cost.anon + this.cost.file <= size / 4) return;
    this.cost.anon = this.cost.anon >>> 1;
    this.cost.file = this.cost.file >>> 1;
  }

  // The four below run under lru_lock, preceded by at.lru(lock.id).

  /** The folio longest on `list`, or 0. */
  tail(list: EvictableList): number {
    if (points.on) points.check('lru', this.lock.id, 'read');
    const pfn = this.#prev[this.#head + list]!;
    return pfn < this.#frames.endPfn ? pfn : 0;
  }

  addHead(pfn: Pfn, list: LruList): void {
    const head = this.#head + list;
    this.#insert(pfn, head, this.#next[head]!, list);
  }

  addTail(pfn: Pfn, list: EvictableList): void {
    const head = this.#head + list;
    this.#insert(pfn, this.#prev[head]!, head, list);
  }

  remove(pfn: Pfn, list: LruList): void {
    if (points.on) points.check('lru', this.lock.id, 'write');
    this.#resize(list, -this.#frames.nrPages(pfn));
    if (list === LRU_UNEVICTABLE) return;
    const before = this.#prev[pfn]!;
    const after = this.#next[pfn]!;
    if (this.#next[before] !== pfn) bug('LRU list is broken', { pfn, list });
    this.#next[before] = after;
    this.#prev[after] = before;
  }

  /** update_lru_size(). */
  #resize(list: LruList, pages: number): void {
    this.#size[list] += pages;
    this.#total[list] += pages;
    if (this.#parent !== null) this.#parent.#total[list] += pages;
  }

  #insert(pfn: number, before: number, after: number, list: LruList): void {
    if (points.on) points.check('lru', this.lock.id, 'write');
    this.#resize(list, this.#frames.nrPages(pfn as Pfn));
    if (list === LRU_UNEVICTABLE) return;
    this.#next[before] = pfn;
    this.#prev[pfn] = before;
    this.#next[pfn] = after;
    this.#prev[after] = pfn;
  }

  /**
   * folio_add_lru(): the folio is on no list; the caller has a reference. `mlockCount` is how many locked mappings it is
   * known to have; 0 may be less than it has.
   */
  *add(pfn: Pfn, mlockCount = 0): Steps {
    if (points.on) yield at.lock(this.lock);
    if (!this.lock.take()) yield* this.lock.wait();
    if (points.on) yield at.page(pfn);
    this.#frames.set(pfn, PG_lru);
    this.#judge(pfn, mlockCount);
    const list = this.listOf(pfn);
    if (points.on) yield at.lru(this.lock.id);
    this.addHead(pfn, list);
    if (points.on) yield at.lock(this.lock);
    this.lock.release();
  }

  /** lru_add(): evictable, or not? One step. Preceded by at.page(pfn). */
  #judge(pfn: Pfn, mlockCount: number): void {
    const frames = this.#frames;
    const wasUnevictable = frames.testAndClear(pfn, PG_unevictable);
    if (frames.test(pfn, PG_mlocked)) {
      frames.clear(pfn, PG_active);
      frames.set(pfn, PG_unevictable);
      frames.mlockCount[pfn] = mlockCount;
      if (!wasUnevictable) this.#vmstat.unevictable_pgs_culled += frames.nrPages(pfn);
    } else if (wasUnevictable) this.#vmstat.unevictable_pgs_rescued += frames.nrPages(pfn);
  }

  /** __page_cache_release(): the last reference is gone. */
  *release(pfn: Pfn): Steps {
    yield* this.lock.lock();
    if (points.on) yield at.page(pfn);
    const list = this.listOf(pfn);
    this.#frames.clear(pfn, PG_lru | PG_active | PG_unevictable);
    if (points.on) yield at.lru(this.lock.id);
    this.remove(pfn, list);
    yield* this.lock.unlock();
  }

  /** folio_isolate_lru(): takes a reference and the folio off its list; false when somebody else has it. */
  *isolate(pfn: Pfn): Steps<boolean> {
    if (points.on) yield at.page(pfn);
    if (!this.#frames.testAndClear(pfn, PG_lru)) return false;
    this.#frames.get(pfn);
    const list = this.listOf(pfn);
    yield* this.lock.lock();
    if (points.on) yield at.lru(this.lock.id);
    this.remove(pfn, list);
    yield* this.lock.unlock();
    return true;
  }

  /** folio_rotate_reclaimable(): to the tail of the inactive list, to be freed next. Answers whether it moved. */
  *rotate(pfn: Pfn): Steps<boolean> {
    yield* this.lock.lock();
    if (points.on) yield at.page(pfn);
    const onList = !this.#frames.test(pfn, PG_unevictable) && this.#frames.testAndClear(pfn, PG_lru);
    if (onList) yield* this.#move(pfn, 'tail');
    yield* this.lock.unlock();
    return onList;
  }

  /** folio_deactivate(): to the head of the inactive list, unreferenced. Answers whether it moved. */
  *deactivate(pfn: Pfn): Steps<boolean> {
    yield* this.lock.lock();
    if (points.on) yield at.page(pfn);
    const moves = this.#frames.test(pfn, PG_active) && this.#frames.testAndClear(pfn, PG_lru);
    if (moves) {
      this.#frames.clear(pfn, PG_referenced);
      yield* this.#move(pfn, 'head');
    }
    yield* this.lock.unlock();
    return moves;
  }

  /**
   * folio_mark_lazyfree(): to the head of the inactive file list, to be dropped without I/O unless somebody writes to
   * it.
   */
  *markLazyfree(pfn: Pfn): Steps {
    yield* this.lock.lock();
    if (points.on) yield at.page(pfn);
    const isSwapBacked = this.#frames.test(pfn, PG_swapbacked);
    const mayMove = isSwapBacked && !this.#frames.test(pfn, PG_swapcache | PG_unevictable);
    if (mayMove && this.#frames.testAndClear(pfn, PG_lru)) {
      const list = this.listOf(pfn);
      this.#frames.clear(pfn, PG_active | PG_referenced | PG_swapbacked);
      if (points.on) yield at.lru(this.lock.id);
      this.remove(pfn, list);
      this.addHead(pfn, LRU_INACTIVE_FILE);
      if (points.on) yield at.page(pfn);
      this.#frames.set(pfn, PG_lru);
    }
    yield* this.lock.unlock();
  }

  /** From the list it is on to the inactive one; the caller has cleared PG_lru. */
  *#move(pfn: Pfn, where: 'head' | 'tail'): Steps {
    if (points.on) yield at.page(pfn);
    const list = this.listOf(pfn);
    const inactive = inactiveListOf(this.typeOf(pfn));
    this.#frames.clear(pfn, PG_active);
    if (points.on) yield at.lru(this.lock.id);
    this.remove(pfn, list);
    if (where === 'head') this.addHead(pfn, inactive);
    else this.addTail(pfn, inactive);
    if (points.on) yield at.page(pfn);
    this.#frames.set(pfn, PG_lru);
  }
}
