// Shrinkers: caches of memory whose owners give some back when reclaim asks (mm/shrinker.c).
//
// shrinkNode() asks each with the pressure that it puts on the LRU lists. The host has its own: the huge page of zeros, and
// huge pages that are mapped in part, of each memory cgroup (deferredSplit.ts). A hypervisor registers its shadow pages,
// which are as many as its guest has tables, and which nothing else would ever bring to give way to what the guest uses.
//
// Invariants: a shrinker is asked by as many as reclaim at a time, and not after unregister() has returned. What it does
// may sleep, but allocates nothing, and takes only locks that rank above those of who allocates: mmu_lock and beyond.

import { at, points, type Scheduler, type Steps, WaitQueue } from '../../sched/index.ts';
import type { MemCgroup } from '../memcg/memcontrol.ts';

/** struct shrinker. */
export interface Shrinker {
  /** What it costs to make an object anew: DEFAULT_SEEKS for one that is read from disk, more for what is dearer. */
  readonly seeks: number;
  /** SHRINKER_MEMCG_AWARE: what it has of a cgroup is asked for with that; else all is the root's. */
  readonly isMemcgAware?: true;
  /** count_objects(): how many there are of `memcg`, null for the root, about. */
  countObjects(memcg: MemCgroup | null): number;
  /** scan_objects(): looks at so many; how many frames came free, 0 (SHRINK_STOP) when there is nothing to be had. */
  scanObjects(objects: number, memcg: MemCgroup | null): Steps<number>;
}

export const DEFAULT_SEEKS = 2;

interface Registered {
  readonly shrinker: Shrinker;
  /** By the id of a cgroup, 0 for the root: what was asked for and was too little for a scan (nr_deferred). */
  readonly deferred: number[];
  /** Who scans at the moment (refcount). */
  users: number;
  gone: boolean;
}

const newEntry = (shrinker: Shrinker): Registered => ({ shrinker, deferred: [], users: 0, gone: false });

export class Shrinkers {
  /** The host's own, which never go. */
  readonly #own: readonly Registered[];
  readonly #list: Registered[] = [];
  readonly #done: WaitQueue;
  /** Objects asked for at once (shrinker->batch). */
  readonly #batch: number;

  constructor(sched: Scheduler, batch: number, own: readonly Shrinker[] = []) {
    this.#done = new WaitQueue(sched, 'shrinker: scans under way');
    this.#batch = batch;
    this.#own = own.map(newEntry);
  }

  /** shrinker_register(). */
  *register(shrinker: Shrinker): Steps {
    if (points.on) yield at.lock(this.#done);
    this.#list.push(newEntry(shrinker));
  }

  /** shrinker_free(): waits for who is in it. */
  *unregister(shrinker: Shrinker): Steps {
    if (points.on) yield at.lock(this.#done);
    for (const [index, entry] of this.#list.entries()) {
      if (entry.shrinker !== shrinker) continue;
      entry.gone = true;
      this.#list.splice(index, 1);
      return yield* this.#done.until(() => entry.users === 0);
    }
  }

  /**
   * shrink_slab(): asks for a part, by `priority` as small as reclaim's own, everyone if `memcg` is null, else who knows
   * cgroups; frames freed.
   */
  *shrinkSlab(memcg: MemCgroup | null, priority: number): Steps<number> {
    const isAsked = ({ shrinker }: Registered): boolean => memcg === null || shrinker.isMemcgAware === true;
    let freed = 0;
    for (const entry of this.#own)
      if (isAsked(entry)) freed += yield* this.#shrinkOne(entry, memcg, priority);
    if (points.on) yield at.lock(this.#done);
    for (const entry of this.#list.filter(isAsked)) {
      if (points.on) yield at.lock(this.#done);
      if (entry.gone) continue;
      entry.users++;
      freed += yield* this.#shrinkOne(entry, memcg, priority);
      if (points.on) yield at.lock(this.#done);
      entry.users--;
      if (entry.gone && entry.users === 0) this.#done.wakeAll();
    }
    return freed;
  }

  /** do_shrink_slab(). */
  *#shrinkOne(
    { shrinker, deferred: all }: Registered,
    memcg: MemCgroup | null,
    priority: number,
  ): Steps<number> {
    const freeable = shrinker.countObjects(memcg);
    if (freeable === 0) return 0;
    const wanted = Math.floor(((freeable >> priority) * 4) / shrinker.seeks);
    const id = memcg?.id ?? 0;
    const deferred = all[id] ?? 0;
    all[id] = 0;
    let left = Math.min((deferred >> priority) + wanted, 2 * freeable);
    let scanned = 0;
    let freed = 0;
    while (left >= Math.min(this.#batch, freeable)) {
      const objects = Math.min(this.#batch, left);
      const count = yield* shrinker.scanObjects(objects, memcg);
      if (count === 0) break;
      left -= objects;
      scanned += objects;
      freed += count;
    }
    all[id] += Math.min(Math.max(deferred + wanted - scanned, 0), 2 * freeable);
    return freed;
  }
}
