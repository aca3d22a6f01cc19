// The zone: free frames, and how few of them there may be.
//
// Stands under pageAlloc.ts, which decides who may dig how deep. Three orders, as nobody in the host needs more: single
// frames, aligned groups of four (the 16 KiB root of an Sv39x4 table), and aligned blocks of 512 (huge pages). A group
// that becomes wholly free is put together again, single frames are taken from broken groups first; so groups last as
// long as a buddy allocator's would. A block is 128 free groups, and looked for when one is wanted.
//
// Invariants: a free frame is linked exactly once, itself (SINGLE) or by its group's first frame (GROUP);
// groupFree[g] and blockFree[b] count the free frames of group g and block b. Lock: everything but freePages (read
// without it) under zone->lock.

import type { PhysicalMemory } from '../hw/memory/index.ts';
import { at, LOCKS, Mutex, points, type Scheduler, type Steps } from '../sched/index.ts';
import { bug, type Pfn } from '../units.ts';
import type { FrameKind, Frames } from './frames.ts';
import { HPAGE_PMD_NR, HPAGE_PMD_ORDER } from './largeFolio.ts';

export type Order = 0 | 2 | typeof HPAGE_PMD_ORDER;
const GROUP_FRAMES = 4;
/** Lowest minimum: what the reclaim path and an OOM victim can always count on. */
const MIN_FLOOR = 2;

export interface Watermarks {
  readonly min: number;
  readonly low: number;
  readonly high: number;
}

/** __setup_per_zone_wmarks() for a zone of `frames` frames; min_free_kbytes is 4 * sqrt(kilobytes of memory). */
export function watermarksOf(frames: number): Watermarks {
  const bySize = Math.floor(2 * Math.sqrt(frames));
  const min = Math.max(MIN_FLOOR, Math.min(bySize, Math.floor(frames / 16)));
  return { min, low: Math.floor((min * 5) / 4) + 1, high: Math.floor((min * 3) / 2) + 2 };
}

export class Zone {
  readonly lock: Mutex;
  readonly managedPages: number;
  readonly watermarks: Watermarks;
  readonly #memory: PhysicalMemory;
  readonly #frames: Frames;

  // Under zone->lock.
  freePages = 0;
  /** The most pages that were ever in use. */
  peakPages = 0;
  readonly #next: Int32Array;
  readonly #prev: Int32Array;
  readonly #groupFree: Uint8Array;
  readonly #blockFree: Uint16Array;
  readonly #single: number;
  readonly #group: number;

  /** Manages [first, end): memblock_free_all(). */
  constructor(sched: Scheduler, memory: PhysicalMemory, frames: Frames, first: Pfn) {
    this.lock = new Mutex(sched, LOCKS.zone_lock);
    this.#memory = memory;
    this.#frames = frames;
    const end = frames.endPfn;
    this.managedPages = end - first;
    this.watermarks = watermarksOf(this.managedPages);
    this.#single = end;
    this.#group = end + 1;
    this.#next = new Int32Array(end + 2);
    this.#prev = new Int32Array(end + 2);
    for (const head of [this.#single, this.#group]) this.#next[head] = this.#prev[head] = head;
    this.#groupFree = new Uint8Array(Math.ceil(end / GROUP_FRAMES));
    this.#blockFree = new Uint16Array(Math.ceil(end / HPAGE_PMD_NR));
    for (let pfn = end - 1; pfn >= first; pfn--) this.#addFrame(pfn);
  }

  /** __zone_watermark_ok() for one block more than `mark`. */
  isAbove(mark: number, order: Order): boolean {
    return this.freePages - (1 << order) >= mark;
  }

  /** rmqueue(): 0 when there is no block of that order. Watermarks are the caller's business. */
  *take(order: Order, kind: FrameKind): Steps<number> {
    yield* this.lock.lock();
    if (points.on) yield at.list(this.lock.id);
    const pfn = order === 0 ? this.#takeFrame() : order === 2 ? this.#takeGroup() : this.#takeBlock();
    for (let i = 0; pfn !== 0 && i < 1 << order; i++) {
      if (points.on) yield at.page(pfn + i);
      this.#frames.prepare((pfn + i) as Pfn, kind);
    }
    yield* this.lock.unlock();
    return pfn;
  }

  /** free_one_page(): the last reference is gone. Callable under spinlocks. */
  *give(pfn: Pfn, order: Order): Steps {
    yield* this.lock.lock();
    for (let i = 0; i < 1 << order; i++) {
      const frame = (pfn + i) as Pfn;
      if (points.on) yield at.page(frame);
      this.#frames.release(frame);
      this.#memory.releaseCode(frame);
      if (points.on) this.#memory.poison(frame);
      if (points.on) yield at.list(this.lock.id);
      this.#addFrame(frame);
    }
    yield* this.lock.unlock();
  }

  #takeFrame(): number {
    let pfn = this.#next[this.#single]!;
    if (pfn === this.#single) {
      pfn = this.#takeGroup();
      for (let i = GROUP_FRAMES - 1; pfn !== 0 && i > 0; i--) this.#addFrame(pfn + i);
      return pfn;
    }
    this.#unlink(pfn);
    this.#groupFree[pfn >> 2]!--;
    this.#blockFree[pfn >> HPAGE_PMD_ORDER]!--;
    this.freePages--;
    this.#notePeak();
    return pfn;
  }

  #takeGroup(): number {
    const pfn = this.#next[this.#group]!;
    if (pfn === this.#group) return 0;
    this.#unlink(pfn);
    this.#groupFree[pfn >> 2] = 0;
    this.#blockFree[pfn >> HPAGE_PMD_ORDER]! -= GROUP_FRAMES;
    this.freePages -= GROUP_FRAMES;
    this.#notePeak();
    return pfn;
  }

  #takeBlock(): number {
    const block = this.#blockFree.indexOf(HPAGE_PMD_NR);
    if (block < 0) return 0;
    const first = block * HPAGE_PMD_NR;
    for (let i = 0; i < HPAGE_PMD_NR; i += GROUP_FRAMES) this.#unlink(first + i);
    this.#groupFree.fill(0, first >> 2, (first + HPAGE_PMD_NR) >> 2);
    this.#blockFree[block] = 0;
    this.freePages -= HPAGE_PMD_NR;
    this.#notePeak();
    return first;
  }

  #notePeak(): void {
    this.peakPages = Math.max(this.peakPages, this.managedPages - this.freePages);
  }

  #addFrame(pfn: number): void {
    const group = pfn >> 2;
    this.freePages++;
    this.#blockFree[pfn >> HPAGE_PMD_ORDER]!++;
    if (++this.#groupFree[group]! < GROUP_FRAMES) {
      this.#link(this.#single, pfn);
      return;
    }
    const first = group * GROUP_FRAMES;
    for (let i = 0; i < GROUP_FRAMES; i++) if (first + i !== pfn) this.#unlink(first + i);
    this.#link(this.#group, first);
  }

  #link(head: number, pfn: number): void {
    if (points.on) points.check('list', this.lock.id);
    const after = this.#next[head]!;
    this.#next[head] = pfn;
    this.#prev[pfn] = head;
    this.#next[pfn] = after;
    this.#prev[after] = pfn;
  }

  #unlink(pfn: number): void {
    if (points.on) points.check('list', this.lock.id);
    const before = this.#prev[pfn]!;
    const after = this.#next[pfn]!;
    if (this.#next[before] !== pfn) bug('free list is broken', { pfn });
    this.#next[before] = after;
    this.#prev[after] = before;
  }
}
