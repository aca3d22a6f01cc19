// The swap area: who refers to each slot, which folio it has in the swap cache, and where the next page goes
// (mm/swapfile.c, and the swap table of mm/swap_table.h).
//
// swapCache.ts is the only user. Slots are handed out in clusters, so that pages that leave together lie together and
// readahead pays.
//
// Invariants: map[slot] = number of swap PTEs, plus SWAP_HAS_CACHE while the table holds a folio or a fault has pinned
// it; 0 means free; slot 0 is the header. table[slot] is a pfn, a shadow (negative: when the page was evicted), or 0; a
// free slot has none.
// Lock: all of it changes under `lock` (Linux: the cluster's lock); a task announces a slot with at.slot(slot).

import { LOCKS, Mutex, points, type Scheduler } from '../../sched/index.ts';
import { bug, type SwapSlot } from '../../units.ts';
import type { MemCgroups } from '../memcg/memcontrol.ts';
import type { SwapDevice } from './swapDevice.ts';

const SWAP_HAS_CACHE = 0x8000;
const SWAP_MAP_BAD = 0x7fff;
/** SWAPFILE_CLUSTER: slots per cluster. */
const CLUSTER_SLOTS = 256;

/** What is known of a slot. */
interface SlotUse {
  /** Of its swap PTEs. */
  readonly count: number;
  /** SWAP_HAS_CACHE. */
  readonly cached: boolean;
  /** Where its page is: a pfn, 0 for zeros, -1 for the device. */
  readonly page: number;
  /** Id of who is charged for it; 0: nobody. */
  readonly memcg: number;
}

export class SwapInfo {
  readonly lock: Mutex;
  readonly device: SwapDevice;
  /** Usable slots (total_swap_pages). */
  readonly totalSlots: number;
  /** nr_swap_pages. */
  freeSlots: number;
  /** The most slots that were ever in use. */
  peakSlots = 0;
  /** NR_SWAPCACHE: slots with a folio. */
  cachedPages = 0;
  readonly #map: Uint16Array;
  readonly #table: Int32Array;
  /** Slots whose page is all zeros and was never written to the device. */
  readonly #zeromap: Uint8Array;
  /** By slot: the id of the memory cgroup that is charged for it (swap_cgroup). */
  readonly #memcg: Uint8Array;
  readonly #memcgs: MemCgroups;
  readonly #used: Uint16Array;
  #cluster = 0;
  #next = 1;

  constructor(sched: Scheduler, device: SwapDevice, memcgs: MemCgroups) {
    this.lock = new Mutex(sched, LOCKS.swap_lock);
    this.device = device;
    this.totalSlots = device.slots - 1;
    this.freeSlots = this.totalSlots;
    this.#map = new Uint16Array(device.slots);
    this.#map[0] = SWAP_MAP_BAD;
    this.#table = new Int32Array(device.slots);
    this.#zeromap = new Uint8Array(device.slots);
    this.#memcg = new Uint8Array(device.slots);
    this.#memcgs = memcgs;
    this.#used = new Uint16Array(Math.ceil(device.slots / CLUSTER_SLOTS));
    this.#used[0] = 1;
  }

  /** Slots, the header included (si->max). */
  get max(): number {
    return this.#map.length;
  }

  /** vm_swap_full(): give slots back rather early. */
  get isNearlyFull(): boolean {
    return this.freeSlots * 2 < this.totalSlots;
  }

  /** The slot that is handed out next, or 0; under the lock. */
  nextFree(): SwapSlot | 0 {
    if (this.freeSlots === 0) return 0;
    for (;;) {
      const end = Math.min((this.#cluster + 1) * CLUSTER_SLOTS, this.max);
      while (this.#next < end && this.#map[this.#next] !== 0) this.#next++;
      if (this.#next < end) return this.#next as SwapSlot;
      this.#cluster = this.#pickCluster();
      this.#next = this.#cluster * CLUSTER_SLOTS;
    }
  }

  // The rest is preceded by at.slot(slot), and what changes anything is under the lock.

  /** A free slot gets a folio: it is on its way out. `memcg` is the id of who was charged for the slot. */
  claim(slot: SwapSlot, pfn: number, memcg: number): void {
    if (this.#entry(slot) !== 0) bug('swap slot handed out twice', { slot });
    this.#used[Math.floor(slot / CLUSTER_SLOTS)]!++;
    this.freeSlots--;
    this.peakSlots = Math.max(this.peakSlots, this.totalSlots - this.freeSlots);
    this.#memcg[slot] = memcg;
    this.#setFolio(slot, pfn);
  }

  /** lookup_swap_cgroup_id(): who is charged for a slot in use. */
  memcgOf(slot: SwapSlot): number {
    if (points.on) points.check('slot', slot, 'marked');
    return this.#memcg[slot]!;
  }

  /**
   * swapcache_prepare() and __swap_cache_add_folio(): a folio is to be read in. Returns the shadow that it replaces (0 for
   * none), or null when nobody refers to the slot, it has a folio already, or another owner than `memcg` by now.
   */
  adopt(slot: SwapSlot, pfn: number, memcg: number): number | null {
    if (!this.#mayHold(slot, memcg)) return null;
    const shadow = this.#table[slot]!;
    this.#setFolio(slot, pfn);
    return shadow;
  }

  /**
   * swapcache_prepare(): the slot stays taken, and gets no folio, until unpin(). As adopt(), also when somebody else has
   * pinned it.
   */
  pin(slot: SwapSlot, memcg: number): number | null {
    if (!this.#mayHold(slot, memcg)) return null;
    if (points.on) points.check('slot', slot, 'update');
    this.#map[slot]! |= SWAP_HAS_CACHE;
    return this.#table[slot]!;
  }

  /** swapcache_clear(). */
  unpin(slot: SwapSlot): void {
    this.#setEntry(slot, this.#entry(slot) & ~SWAP_HAS_CACHE);
  }

  /** Somebody reads the slot past the cache. */
  isPinned(slot: SwapSlot): boolean {
    return (this.#entry(slot) & SWAP_HAS_CACHE) !== 0 && this.folioOf(slot) === 0;
  }

  /** __swap_cache_del_folio() and put_swap_folio(). */
  evict(slot: SwapSlot, shadow: number): void {
    if (this.folioOf(slot) === 0) bug('swap slot has no folio', { slot });
    if (points.on) points.check('slot', slot, 'update');
    this.#table[slot] = shadow;
    this.cachedPages--;
    this.#setEntry(slot, this.#entry(slot) & ~SWAP_HAS_CACHE);
  }

  /** __swap_cache_replace_folio(): another folio has the page now. */
  replace(slot: SwapSlot, pfn: number): void {
    if (this.folioOf(slot) === 0) bug('swap slot has no folio', { slot });
    if (points.on) points.check('slot', slot, 'update');
    this.#table[slot] = pfn;
  }

  /** One more swap PTE. */
  addReference(slot: SwapSlot): void {
    if (this.#entry(slot) === 0) bug('swap entry for a free slot', { slot });
    this.#setEntry(slot, this.#entry(slot) + 1);
  }

  /** One swap PTE less; the slot becomes free when nothing else holds it. */
  dropReference(slot: SwapSlot): void {
    if (this.count(slot) === 0) bug('swap entry freed twice', { slot });
    this.#setEntry(slot, this.#entry(slot) - 1);
  }

  /** swap_swapcount(): swap PTEs that refer to the slot. */
  count(slot: SwapSlot): number {
    return this.#entry(slot) & ~SWAP_HAS_CACHE;
  }

  /** The folio in the swap cache, or 0. */
  folioOf(slot: SwapSlot): number {
    if (points.on) points.check('slot', slot, 'marked');
    return Math.max(0, this.#table[slot]!);
  }

  /** Under the folio lock instead. */
  isZeroFilled(slot: SwapSlot): boolean {
    if (points.on) points.check('slot', slot, 'marked');
    return this.#zeromap[slot] !== 0;
  }

  /** Under the folio lock instead. */
  setZeroFilled(slot: SwapSlot, zero: boolean): void {
    if (points.on) points.check('slot', slot, 'marked');
    this.#zeromap[slot] = Number(zero);
  }

  // For inspection between steps, without a point.

  inspect(slot: SwapSlot): SlotUse {
    const entry = this.#map[slot]!;
    const folio = this.#table[slot]!;
    return {
      memcg: this.#memcg[slot]!,
      count: entry & ~SWAP_HAS_CACHE,
      cached: (entry & SWAP_HAS_CACHE) !== 0,
      page: folio > 0 ? folio : this.#zeromap[slot] !== 0 ? 0 : -1,
    };
  }

  /** Whether the device is not read for the slot's page. */
  inspectZeroFilled(slot: SwapSlot): boolean {
    return this.#zeromap[slot] !== 0;
  }

  #mayHold(slot: SwapSlot, memcg: number): boolean {
    const entry = this.#entry(slot);
    const isTaken = entry === 0 || entry === SWAP_MAP_BAD || (entry & SWAP_HAS_CACHE) !== 0;
    return !isTaken && this.#memcg[slot] === memcg;
  }

  #entry(slot: number): number {
    if (points.on) points.check('slot', slot, 'marked');
    return this.#map[slot]!;
  }

  #setFolio(slot: SwapSlot, pfn: number): void {
    if (points.on) points.check('slot', slot, 'update');
    this.#map[slot]! |= SWAP_HAS_CACHE;
    this.#table[slot] = pfn;
    this.cachedPages++;
  }

  /** Stores the entry, and swap_range_free() if it is 0. */
  #setEntry(slot: number, entry: number): void {
    if (points.on) points.check('slot', slot, 'update');
    this.#map[slot] = entry;
    if (entry !== 0) return;
    this.#table[slot] = 0;
    this.#zeromap[slot] = 0;
    this.#used[Math.floor(slot / CLUSTER_SLOTS)]!--;
    this.freeSlots++;
    this.#memcgs.of(this.#memcg[slot]!)?.swap.uncharge(1);
    this.#memcg[slot] = 0;
  }

  /** A wholly free cluster after the current one, else one with room (the free and nonfull lists of swap_info). */
  #pickCluster(): number {
    const clusters = this.#used.length;
    let withRoom = -1;
    for (let i = 1; i <= clusters; i++) {
      const cluster = (this.#cluster + i) % clusters;
      if (this.#used[cluster] === 0) return cluster;
      if (withRoom < 0 && this.#used[cluster]! < this.#sizeOf(cluster)) withRoom = cluster;
    }
    return withRoom >= 0 ? withRoom : bug('swap area: free slots are miscounted', { free: this.freeSlots });
  }

  #sizeOf(cluster: number): number {
    return Math.min(CLUSTER_SLOTS, this.max - cluster * CLUSTER_SLOTS);
  }
}
