// The LRU lists: anonymous (and shmem) folios and file folios, inactive and active each (struct lruvec); doubly
// linked lists in typed arrays. What is locked in memory is on a fifth, the unevictable list, which is but counted:
// nobody goes through it.
//
// Faults and swap-in add here, reclaim isolates from the tail and puts back at the head, end of writeback rotates to
// the tail, the last put removes. PG_lru says that a folio is on a list; whoever clears it (isolation) owns the
// links. Linux collects additions in per-CPU batches first; here each takes the lock, and the order is the same.
//
// Invariants: a folio with PG_lru is on the list that PG_unevictable, PG_active and PG_swapbacked name; one that is
// unevictable is not active. PG_mlocked changes, and is acted upon, under the lock, so that no folio is left on the wrong
// list. Lock: all of it under lruvec->lru_lock.

import { at, LOCKS, Mutex, points, type Scheduler, type Steps } from '../sched/index.ts';
import { bug, type Pfn } from '../units.ts';
import {
  type Frames,
  PG_active,
  PG_lru,
  PG_mlocked,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_unevictable,
} from './frames.ts';
import type { Vmstat } from './vmstat.ts';

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

export class Lruvec {
  readonly lock: Mutex;
  readonly #frames: Frames;
  readonly #vmstat: Vmstat;
  readonly #next: Int32Array;
  readonly #prev: Int32Array;
  readonly #size: [number, number, number, number, number] = [0, 0, 0, 0, 0];
  /** Pages that reclaim has taken off the lists for now (NR_ISOLATED_ANON, NR_ISOLATED_FILE). */
  readonly isolated = { anon: 0, file: 0 };
  /** Activations and evictions so far: the clock of workingset.ts (lruvec->nonresident_age). */
  nonresidentAge = 0;
  /** workingset_activate_anon and _file at the end of the last reclaim (lruvec->refaults). */
  readonly refaults = { anon: 0, file: 0 };
  /** What reclaim has cost lately, decaying (lruvec->anon_cost, file_cost): scanCount.ts weighs by it. */
  readonly cost = { anon: 0, file: 0 };

  constructor(sched: Scheduler, frames: Frames, vmstat: Vmstat) {
    this.lock = new Mutex(sched, LOCKS.lru_lock);
    this.#vmstat = vmstat;
    this.#frames = frames;
    this.#next = new Int32Array(frames.endPfn + NR_LRU_LISTS);
    this.#prev = new Int32Array(frames.endPfn + NR_LRU_LISTS);
    for (const list of LRU_LISTS) {
      const head = frames.endPfn + list;
      this.#next[head] = this.#prev[head] = head;
    }
  }

  inactive(type: LruType): number {
    return this.#size[inactiveListOf(type)];
  }

  active(type: LruType): number {
    return this.#size[activeListOf(type)];
  }

  size(list: LruList): number {
    return this.#size[list];
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
    this.cost[type] += io * SWAP_CLUSTER_MAX + rotated;
    const size = LRU_LISTS.reduce<number>((sum, list) => sum + this.#size[list], 0);
    if (this.cost.anon + this.cost.file <= size / 4) return;
    this.cost.anon = this.cost.anon >>> 1;
    this.cost.file = this.cost.file >>> 1;
  }

  // The four below run under lru_lock, preceded by at.lru(lock.id).

  /** The folio longest on `list`, or 0. */
  tail(list: EvictableList): number {
    if (points.on) points.check('lru', this.lock.id);
    const pfn = this.#prev[this.#frames.endPfn + list]!;
    return pfn < this.#frames.endPfn ? pfn : 0;
  }

  addHead(pfn: Pfn, list: LruList): void {
    const head = this.#frames.endPfn + list;
    this.#insert(pfn, head, this.#next[head]!, list);
  }

  addTail(pfn: Pfn, list: EvictableList): void {
    const head = this.#frames.endPfn + list;
    this.#insert(pfn, this.#prev[head]!, head, list);
  }

  remove(pfn: Pfn, list: LruList): void {
    if (points.on) points.check('lru', this.lock.id);
    this.#size[list] -= this.#frames.nrPages(pfn);
    if (list === LRU_UNEVICTABLE) return;
    const before = this.#prev[pfn]!;
    const after = this.#next[pfn]!;
    if (this.#next[before] !== pfn) bug('LRU list is broken', { pfn, list });
    this.#next[before] = after;
    this.#prev[after] = before;
  }

  #insert(pfn: number, before: number, after: number, list: LruList): void {
    if (points.on) points.check('lru', this.lock.id);
    this.#size[list] += this.#frames.nrPages(pfn as Pfn);
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
    yield* this.lock.lock();
    if (points.on) yield at.page(pfn);
    this.#frames.set(pfn, PG_lru);
    this.#judge(pfn, mlockCount);
    const list = this.listOf(pfn);
    if (points.on) yield at.lru(this.lock.id);
    this.addHead(pfn, list);
    yield* this.lock.unlock();
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
