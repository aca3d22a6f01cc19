// Shrinkers: caches of kernel memory whose owners give some back when reclaim asks (mm/shrinker.c).
//
// shrinkNode() asks each with the pressure that it puts on the LRU lists. A hypervisor registers its shadow pages, which
// are as many as its guest has tables, and which nothing else would ever bring to give way to what the guest uses.
//
// Invariants: a shrinker is asked by as many as reclaim at a time, and not after unregister() has returned. What it does
// may sleep, but allocates nothing, and takes only locks that rank above those of who allocates: mmu_lock and beyond.

import { at, points, type Scheduler, type Steps, WaitQueue } from '../../sched/index.ts';

/** struct shrinker. */
export interface Shrinker {
  /** What it costs to make an object anew: DEFAULT_SEEKS for one that is read from disk, more for what is dearer. */
  readonly seeks: number;
  /** count_objects(): frames that could come free, about. */
  countObjects(): number;
  /** scan_objects(): frees about so many frames; how many it were, 0 (SHRINK_STOP) when there is nothing to be had. */
  scanObjects(frames: number): Steps<number>;
}

export const DEFAULT_SEEKS = 2;

interface Registered {
  readonly shrinker: Shrinker;
  /** What was asked for and was too little for a scan (nr_deferred). */
  deferred: number;
  /** Who scans at the moment (refcount). */
  users: number;
  gone: boolean;
}

export class Shrinkers {
  readonly #list: Registered[] = [];
  readonly #done: WaitQueue;
  /** Frames asked for at once (shrinker->batch). */
  readonly #batch: number;

  constructor(sched: Scheduler, batch: number) {
    this.#done = new WaitQueue(sched, 'shrinker: scans under way');
    this.#batch = batch;
  }

  /** shrinker_register(). */
  *register(shrinker: Shrinker): Steps {
    if (points.on) yield at.lock(this.#done);
    this.#list.push({ shrinker, deferred: 0, users: 0, gone: false });
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

  /** shrink_slab(): asks everyone for a part, by `priority` as small as reclaim's own; frames freed. */
  *shrinkSlab(priority: number): Steps<number> {
    let freed = 0;
    if (points.on) yield at.lock(this.#done);
    for (const entry of [...this.#list]) {
      if (points.on) yield at.lock(this.#done);
      if (entry.gone) continue;
      entry.users++;
      freed += yield* this.#shrinkOne(entry, priority);
      if (points.on) yield at.lock(this.#done);
      entry.users--;
      if (entry.gone && entry.users === 0) this.#done.wakeAll();
    }
    return freed;
  }

  /** do_shrink_slab(). */
  *#shrinkOne(entry: Registered, priority: number): Steps<number> {
    const { shrinker } = entry;
    const freeable = shrinker.countObjects();
    if (freeable === 0) return 0;
    const wanted = Math.floor(((freeable >> priority) * 4) / shrinker.seeks);
    const { deferred } = entry;
    entry.deferred = 0;
    let left = Math.min((deferred >> priority) + wanted, 2 * freeable);
    let scanned = 0;
    let freed = 0;
    while (left >= Math.min(this.#batch, freeable)) {
      const frames = Math.min(this.#batch, left);
      const count = yield* shrinker.scanObjects(frames);
      if (count === 0) break;
      left -= frames;
      scanned += frames;
      freed += count;
    }
    entry.deferred += Math.min(Math.max(deferred + wanted - scanned, 0), 2 * freeable);
    return freed;
  }
}
