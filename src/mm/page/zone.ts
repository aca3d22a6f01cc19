// The zone: free frames, and how few of them there may be.
//
// Stands under pageAlloc.ts, which decides who may dig how deep. Three orders, as nobody in the host needs more: single
// frames, aligned groups of four (the 16 KiB root of an Sv39x4 table), and aligned blocks of 512 (huge pages). A group
// that becomes wholly free is put together again, single frames are taken from broken groups first; so groups last as
// long as a buddy allocator's would. A block is 128 free groups, and looked for when one is wanted.
//
// Blocks are of two types, movable and not: kernel memory, which stays where it is, is taken from blocks of its own, so
// that compaction can empty the others. Who finds no frame of his type makes a free block his, or takes one of the other
// type. A host with but a few blocks does without (page_group_by_mobility_disabled): all are movable.
//
// Invariants: a free frame is linked exactly once, itself (single) or by its group's first frame (group), in the list of
// its block's type; groupFree[g] and blockFree[b] count the free frames of group g and block b. Lock: everything but
// freePages (read without it) under zone->lock.

import type { PhysicalMemory } from '../../hw/memory/index.ts';
import { at, LOCKS, Mutex, points, type Scheduler, type Steps } from '../../sched/index.ts';
import { bug, type Pfn } from '../../units.ts';
import type { Vmstat } from '../proc/vmstat.ts';
import { FrameKind, type Frames } from './frames.ts';
import { HPAGE_PMD_NR, HPAGE_PMD_ORDER } from './largeFolio.ts';

export type Order = 0 | 2 | typeof HPAGE_PMD_ORDER;
const GROUP_FRAMES = 4;
/** enum migratetype. */
const MOVABLE = 0;
const UNMOVABLE = 1;
type MigrateType = typeof MOVABLE | typeof UNMOVABLE;
const other = (type: MigrateType): MigrateType => (type === MOVABLE ? UNMOVABLE : MOVABLE);
/** Fewer blocks than this are not told apart by type. */
const MIN_BLOCKS = 4;
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
  /** zone_start_pfn. */
  readonly firstPfn: Pfn;
  readonly watermarks: Watermarks;
  readonly #memory: PhysicalMemory;
  readonly #frames: Frames;
  readonly #vmstat: Vmstat;

  // Under zone->lock.
  freePages = 0;
  /** The most pages that were ever in use. */
  peakPages = 0;
  readonly #next: Int32Array;
  readonly #prev: Int32Array;
  readonly #groupFree: Uint8Array;
  readonly #blockFree: Uint16Array;
  /** By block: its MigrateType. */
  readonly #blockType: Uint8Array;
  readonly #hasTypes: boolean;
  /** Heads of the lists, by MigrateType. */
  readonly #single: readonly [number, number];
  readonly #group: readonly [number, number];

  /** Manages [first, end): memblock_free_all(). */
  constructor(sched: Scheduler, memory: PhysicalMemory, frames: Frames, vmstat: Vmstat, first: Pfn) {
    this.lock = new Mutex(sched, LOCKS.zone_lock);
    this.#memory = memory;
    this.#frames = frames;
    this.#vmstat = vmstat;
    const end = frames.endPfn;
    this.firstPfn = first;
    this.managedPages = end - first;
    this.watermarks = watermarksOf(this.managedPages);
    this.#single = [end, end + 1];
    this.#group = [end + 2, end + 3];
    this.#next = new Int32Array(end + 4);
    this.#prev = new Int32Array(end + 4);
    for (const head of [...this.#single, ...this.#group]) this.#next[head] = this.#prev[head] = head;
    this.#blockType = new Uint8Array(Math.ceil(end / HPAGE_PMD_NR));
    this.#hasTypes = this.managedPages >> HPAGE_PMD_ORDER >= MIN_BLOCKS;
    this.#groupFree = new Uint8Array(Math.ceil(end / GROUP_FRAMES));
    this.#blockFree = new Uint16Array(Math.ceil(end / HPAGE_PMD_NR));
    for (let pfn = end - 1; pfn >= first; pfn--) {
      const group = pfn - GROUP_FRAMES + 1;
      if (group % GROUP_FRAMES !== 0 || group < first) {
        this.#addFrame(pfn);
      } else {
        this.#addGroup(group);
        pfn = group;
      }
    }
  }

  /** __zone_watermark_ok() for one block more than `mark`. */
  isAbove(mark: number, order: Order): boolean {
    return this.freePages - (1 << order) >= mark;
  }

  /** get_page_from_freelist(), rmqueue(): a block, or 0 when there is none that leaves the zone above `mark`. */
  *take(order: Order, kind: FrameKind, mark = 0): Steps<number> {
    if (!this.isAbove(mark, order)) return 0;
    if (points.on) yield at.lock(this.lock);
    if (!this.lock.take()) yield* this.lock.wait();
    if (points.on) yield at.list(this.lock.id);
    const pfn = this.#take(order, kind === FrameKind.folio || !this.#hasTypes ? MOVABLE : UNMOVABLE);
    for (let i = 0; pfn !== 0 && i < 1 << order; i++) {
      if (points.on) yield at.page(pfn + i);
      this.#frames.prepare((pfn + i) as Pfn, kind);
    }
    if (pfn !== 0) this.#vmstat.pgalloc_normal += 1 << order;
    if (points.on) yield at.lock(this.lock);
    this.lock.release();
    return pfn;
  }

  /** __isolate_free_page() of one frame: false when it is not free. Watermarks are the caller's business. */
  *takeFree(pfn: Pfn, kind: FrameKind): Steps<boolean> {
    yield* this.lock.lock();
    if (points.on) yield at.page(pfn);
    const isFree = this.#frames.kind[pfn] === FrameKind.free;
    if (points.on) yield at.list(this.lock.id);
    if (isFree) this.#takeThis(pfn);
    if (points.on) yield at.page(pfn);
    if (isFree) this.#frames.prepare(pfn, kind);
    yield* this.lock.unlock();
    return isFree;
  }

  /** Whether there is a free block of that order. */
  *has(order: Order): Steps<boolean> {
    yield* this.lock.lock();
    if (points.on) yield at.list(this.lock.id);
    const isGroupFree = !this.#isEmpty(this.#group[MOVABLE]) || !this.#isEmpty(this.#group[UNMOVABLE]);
    yield* this.lock.unlock();
    if (order === 0) return this.freePages > 0;
    return order === 2 ? isGroupFree : this.#blockFree.includes(HPAGE_PMD_NR);
  }

  /** suitable_migration_target(): pages may move to the block of `order` that the frame lies in, which is not all free. */
  *isSuitableTarget(pfn: Pfn, order: Order): Steps<boolean> {
    if (points.on) yield at.list(this.lock.id);
    const free = order === 2 ? this.#groupFree[pfn >> 2] : this.#blockFree[pfn >> HPAGE_PMD_ORDER];
    return free !== 1 << order && this.#typeOf(pfn) === MOVABLE;
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

  /** __rmqueue(): of the type, of a block that is made so (__rmqueue_steal), or of the other type. */
  #take(order: Order, type: MigrateType): number {
    if (order === HPAGE_PMD_ORDER) return this.#takeBlock(type);
    const pfn = this.#takeFrom(order, type);
    if (pfn !== 0) return pfn;
    return this.#takeFrom(order, this.#stealBlock(type) ? type : other(type));
  }

  #takeFrom(order: 0 | 2, type: MigrateType): number {
    return order === 0 ? this.#takeFrame(type) : this.#takeGroup(type);
  }

  #isEmpty(head: number): boolean {
    return this.#next[head] === head;
  }

  #takeFrame(type: MigrateType): number {
    let pfn = this.#next[this.#single[type]]!;
    if (pfn === this.#single[type]) {
      pfn = this.#takeGroup(type);
      for (let i = GROUP_FRAMES - 1; pfn !== 0 && i > 0; i--) this.#addFrame(pfn + i);
      return pfn;
    }
    this.#takeSingle(pfn);
    return pfn;
  }

  /** A frame that is free, alone or in its group. */
  #takeThis(pfn: number): void {
    if (this.#groupFree[pfn >> 2] === GROUP_FRAMES) {
      const first = pfn - (pfn % GROUP_FRAMES);
      this.#unlink(first);
      for (let i = GROUP_FRAMES - 1; i >= 0; i--) this.#link(this.#single[this.#typeOf(pfn)], first + i);
    }
    this.#takeSingle(pfn);
  }

  #takeSingle(pfn: number): void {
    this.#unlink(pfn);
    this.#groupFree[pfn >> 2]!--;
    this.#blockFree[pfn >> HPAGE_PMD_ORDER]!--;
    this.freePages--;
    this.#notePeak();
  }

  #takeGroup(type: MigrateType): number {
    const pfn = this.#next[this.#group[type]]!;
    if (pfn === this.#group[type]) return 0;
    this.#unlink(pfn);
    this.#groupFree[pfn >> 2] = 0;
    this.#blockFree[pfn >> HPAGE_PMD_ORDER]! -= GROUP_FRAMES;
    this.freePages -= GROUP_FRAMES;
    this.#notePeak();
    return pfn;
  }

  #typeOf(pfn: number): MigrateType {
    return this.#blockType[pfn >> HPAGE_PMD_ORDER] as MigrateType;
  }

  /** A block that is all free changes to `type`; false: there is none that is of another. */
  #stealBlock(type: MigrateType): boolean {
    if (!this.#hasTypes) return false;
    for (let block = this.#blockFree.length - 1; block >= 0; block--) {
      if (this.#blockFree[block] !== HPAGE_PMD_NR || this.#blockType[block] === type) continue;
      const first = block * HPAGE_PMD_NR;
      this.#blockType[block] = type;
      for (let i = HPAGE_PMD_NR - GROUP_FRAMES; i >= 0; i -= GROUP_FRAMES) {
        this.#unlink(first + i);
        this.#link(this.#group[type], first + i);
      }
      return true;
    }
    return false;
  }

  #takeBlock(type: MigrateType): number {
    const block = this.#blockFree.indexOf(HPAGE_PMD_NR);
    if (block < 0) return 0;
    this.#blockType[block] = type;
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

  /** All of a group at once, whose first frame is `pfn`. */
  #addGroup(pfn: number): void {
    this.freePages += GROUP_FRAMES;
    this.#groupFree[pfn >> 2] = GROUP_FRAMES;
    this.#blockFree[pfn >> HPAGE_PMD_ORDER]! += GROUP_FRAMES;
    this.#link(this.#group[this.#typeOf(pfn)], pfn);
  }

  #addFrame(pfn: number): void {
    const group = pfn >> 2;
    this.freePages++;
    this.#blockFree[pfn >> HPAGE_PMD_ORDER]!++;
    if (++this.#groupFree[group]! < GROUP_FRAMES) {
      this.#link(this.#single[this.#typeOf(pfn)], pfn);
      return;
    }
    const first = group * GROUP_FRAMES;
    for (let i = 0; i < GROUP_FRAMES; i++) if (first + i !== pfn) this.#unlink(first + i);
    this.#link(this.#group[this.#typeOf(pfn)], first);
  }

  #link(head: number, pfn: number): void {
    if (points.on) points.check('list', this.lock.id, 'write');
    const after = this.#next[head]!;
    this.#next[head] = pfn;
    this.#prev[pfn] = head;
    this.#next[pfn] = after;
    this.#prev[after] = pfn;
  }

  #unlink(pfn: number): void {
    if (points.on) points.check('list', this.lock.id, 'write');
    const before = this.#prev[pfn]!;
    const after = this.#next[pfn]!;
    if (this.#next[before] !== pfn) bug('free list is broken', { pfn });
    this.#next[before] = after;
    this.#prev[after] = before;
  }
}
