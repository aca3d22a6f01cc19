// i_pages: what the page cache has at each page of a file (an xarray in Linux).
//
// filemap.ts puts folios in and takes them out, reclaim leaves shadows, shmem.ts swap entries.
//
// An entry is the first pfn of a folio (positive), the shadow of a folio that was evicted (negative, workingset.ts), a
// swap entry (shmem only), or 0. Locks: entries change under `lock`; looking one up needs none (RCU in Linux), but
// whoever finds a folio so must take a reference and look again. A task announces either with at.list(lock.id).

import { LOCKS, Mutex, points, type Scheduler } from '../../sched/index.ts';
import { bug, type SwapSlot } from '../../units.ts';

/** Swap entries are from here on: above every pfn. */
const SWAP_ENTRY = 2 ** 32;

export const isFolio = (entry: number): boolean => entry > 0 && entry < SWAP_ENTRY;
export const isSwapEntry = (entry: number): boolean => entry >= SWAP_ENTRY;
/** swp_to_radix_entry(). */
export const makeSwapEntry = (slot: SwapSlot): number => SWAP_ENTRY + slot;
export const swapEntrySlot = (entry: number): SwapSlot => (entry - SWAP_ENTRY) as SwapSlot;

/** The keys in [first, last], ascending: by trying each, or by looking at all, whichever is less. */
export function indexesWithin(
  indexes: ReadonlyMap<number, unknown> | ReadonlySet<number>,
  first: number,
  last: number,
): number[] {
  const found: number[] = [];
  if (last - first < indexes.size) {
    for (let index = first; index <= last; index++) if (indexes.has(index)) found.push(index);
    return found;
  }
  for (const index of indexes.keys()) if (index >= first && index <= last) found.push(index);
  return found.sort((a, b) => a - b);
}

export class IPages {
  /** The i_pages lock (xa_lock). */
  readonly lock: Mutex;
  readonly #entries = new Map<number, number>();
  /** Folios in the cache (mapping->nrpages). */
  nrpages = 0;
  /** Swap entries (shmem's info->swapped). */
  swapped = 0;

  constructor(sched: Scheduler) {
    this.lock = new Mutex(sched, LOCKS.i_pages_lock);
  }

  /** xa_load(). Preceded by at.list(lock.id). */
  load(index: number): number {
    if (points.on) points.check('list', this.lock.id, 'marked');
    return this.#entries.get(index) ?? 0;
  }

  /**
   * xas_store(): under the lock. A folio of `pages` pages is found at each of its indexes; swap entries are for slots that
   * follow each other. Preceded by at.list(lock.id).
   */
  store(index: number, entry: number, pages = 1): void {
    this.lock.assertHeld();
    if (index < 0) bug('page index below 0', { index });
    const step = Number(isSwapEntry(entry));
    for (let page = 0; page < pages; page++) this.#storeOne(index + page, entry + page * step);
  }

  #storeOne(index: number, entry: number): void {
    const old = this.load(index);
    if (points.on) points.check('list', this.lock.id, 'update');
    this.nrpages += Number(isFolio(entry)) - Number(isFolio(old));
    this.swapped += Number(isSwapEntry(entry)) - Number(isSwapEntry(old));
    if (entry === 0) this.#entries.delete(index);
    else this.#entries.set(index, entry);
  }

  /** xas_find_conflict(): whether [index, index + pages) has another entry than shadows. Preceded by at.list(lock.id). */
  isTaken(index: number, pages: number): boolean {
    for (let page = 0; page < pages; page++) if (this.load(index + page) > 0) return true;
    return false;
  }

  /** The indexes in [first, last] that have an entry, ascending; a copy. Preceded by at.list(lock.id). */
  indexesIn(first: number, last: number): number[] {
    if (points.on) points.check('list', this.lock.id, 'marked');
    return indexesWithin(this.#entries, first, last);
  }

  /** The indexes in [first, last] of what is on swap, for inspection between steps. */
  inspectSwapped(first: number, last: number): number[] {
    return indexesWithin(this.#entries, first, last).filter((index) =>
      isSwapEntry(this.#entries.get(index)!),
    );
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }
}
