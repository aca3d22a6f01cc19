// The second-level TLB: a bounded LRU cache of translations by regime and page, consulted before a table walk.
//
// tlb.ts fills it after each walk and probes it when the first level misses; it is never on the per-instruction path.
//
// Invariants: one entry per 4 KiB page, whatever the size of the leaf; keys are below 2^53 (regime.ts bounds the ids).

import { LRUCache } from 'lru-cache';
import type { Regime } from './regime.ts';

/** Pages are in [-2^26, 2^29): Sv39 addresses are signed, Sv39x4 ones are not. */
const PAGE_BIAS = 2 ** 26;
const PAGES = 2 ** 30;

/** No translation. */
const NOTHING = -1;

const keyOf = (regime: Regime, address: number): number =>
  regime.id * PAGES + Math.floor(address / 4096) + PAGE_BIAS;

export class SecondLevel {
  private readonly cache: LRUCache<number, number> | null;

  /** `entries` 0: never holds anything. */
  constructor(entries: number) {
    this.cache = entries > 0 ? new LRUCache<number, number>({ max: entries }) : null;
  }

  /** The translation, or -1. */
  get(regime: Regime, address: number): number {
    return this.cache?.get(keyOf(regime, address)) ?? NOTHING;
  }

  set(regime: Regime, address: number, translation: number): void {
    this.cache?.set(keyOf(regime, address), translation);
  }

  /** Leaves an entry that says nothing: LRUCache.delete() of the last one goes over the whole capacity. */
  delete(regime: Regime, address: number): void {
    const key = keyOf(regime, address);
    if (this.cache?.has(key) === true) this.cache.set(key, NOTHING);
  }

  /** Goes over its whole capacity, however little is in it: a flush renews the regimes instead. */
  clear(): void {
    this.cache?.clear();
  }

  /** Visits every entry with its regime's id and its page's address. */
  forEach(visit: (id: number, address: number, translation: number) => void): void {
    this.cache?.forEach((translation, key) => {
      if (translation === NOTHING) return;
      const id = Math.floor(key / PAGES);
      visit(id, (key - id * PAGES - PAGE_BIAS) * 4096, translation);
    });
  }
}
