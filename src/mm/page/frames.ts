// Frames: struct page of every host frame, as typed arrays indexed by pfn.
//
// Whoever owns a frame reaches it through here: the allocator, the LRU lists, the swap cache, rmap, faults, GUP. Each
// accessor is one atomic step (an atomic_t or a bit operation in Linux); a task announces it with at.page(pfn).
//
// A folio is known by its first frame; of the others of a large one (largeFolio.ts) only mapcount and PG_anon_exclusive
// mean anything.
//
// Invariants: refcount is 0 exactly while the frame is free or frozen by reclaim, or not the first of its folio; mapcount
// is the number of PTEs that map the frame; mapping, index and private change only under the folio lock or before the
// folio can be found. order changes with nobody else having a reference.
// `flags` and `waiters` are also read by wait conditions, which are evaluated without a point of their own.

import { Fact, type PhysicalMemory } from '../../hw/memory/index.ts';
import { points } from '../../sched/index.ts';
import { bug, type Pfn } from '../../units.ts';
import { HPAGE_PMD_NR, HPAGE_PMD_ORDER, LargeFolios } from './largeFolio.ts';

/** What a frame is used for; a folio is memory of processes and files, which reclaim can take. */
export const FrameKind = { free: 0, folio: 1, pageTable: 2, shadow: 3, kernel: 4, zeroPage: 5 } as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/** Page flags (include/linux/page-flags.h). */
export const PG_locked = 1 << 0;
export const PG_referenced = 1 << 1;
export const PG_uptodate = 1 << 2;
export const PG_dirty = 1 << 3;
export const PG_lru = 1 << 4;
export const PG_active = 1 << 5;
export const PG_workingset = 1 << 6;
export const PG_swapbacked = 1 << 7;
export const PG_swapcache = 1 << 8;
export const PG_writeback = 1 << 9;
export const PG_reclaim = 1 << 10;
/** One bit, as in Linux: read-ahead is about folios that were read, reclaim about those that are written. */
export const PG_readahead = PG_reclaim;
export const PG_anon_exclusive = 1 << 12;
/** Marked accessed twice: activated when reclaim next meets it. Stands for Linux's per-CPU lru_activate batch. */
export const PG_activate = 1 << 13;

/** An anonymous folio that several processes share since it is the same in all: `mapping` is its stable node. */
export const PG_ksm = 1 << 14;

/** A locked VMA maps it (mlockFolio.ts); it is on the unevictable list, or was when it was isolated. */
export const PG_mlocked = 1 << 18;
export const PG_unevictable = 1 << 19;

/** Idle page tracking (pageIdle.ts): nobody has used it since it was marked; somebody had before an A bit was cleared. */
export const PG_idle = 1 << 16;
export const PG_young = 1 << 17;

/** What a pin adds to the count of a folio (GUP_PIN_COUNTING_BIAS): more than there are plain references to one. */
const GUP_PIN_COUNTING_BIAS = 1024;

export class Frames {
  readonly firstPfn: Pfn;
  readonly endPfn: Pfn;
  readonly kind: Uint8Array;
  readonly refcount: Int32Array;
  readonly mapcount: Int32Array;
  readonly flags: Int32Array;
  /**
   * Of an anonymous folio the id of its anon_vma, 0 before it was first mapped, or of its KSM node (PG_ksm); of a folio
   * in the page cache minus the id of its address_space, 0 once it was taken out.
   */
  readonly mapping: Int32Array;
  /** Page index in the file, or linear page index within the anon_vma's VMAs: address / 4096, may be negative. */
  readonly index: Int32Array;
  /** Swap slot while PG_swapcache. */
  readonly private: Int32Array;
  /** While on the unevictable list: mappings by locked VMAs, as far as they were counted (folio->mlock_count). */
  readonly mlockCount: Int32Array;
  /** Of a folio the id of the memory cgroup that is charged for it, 0 for nobody (memcontrol.ts). */
  readonly memcg: Uint8Array;
  /** Of each frame: 0, or HPAGE_PMD_ORDER in a large folio. */
  readonly order: Uint8Array;
  readonly large: LargeFolios;
  // Kind, flags and refcount again, for pages that are announced by their folio.
  readonly #pageKind: Uint8Array;
  readonly #pageFlags: Int32Array;
  readonly #pageRefcount: Int32Array;
  readonly #memory: PhysicalMemory;

  constructor(memory: PhysicalMemory) {
    this.firstPfn = memory.firstPfn;
    this.endPfn = memory.endPfn;
    const length = memory.endPfn;
    this.kind = new Uint8Array(length);
    this.refcount = new Int32Array(length);
    this.mapcount = new Int32Array(length);
    this.flags = new Int32Array(length);
    this.mapping = new Int32Array(length);
    this.index = new Int32Array(length);
    this.private = new Int32Array(length);
    this.mlockCount = new Int32Array(length);
    this.memcg = new Uint8Array(length);
    this.order = new Uint8Array(length);
    this.large = new LargeFolios(this.mapcount);
    this.#pageKind = this.kind;
    this.#pageFlags = this.flags;
    this.#pageRefcount = this.refcount;
    this.#memory = memory;
    memory.noteAll(Fact.reachable, this.firstPfn, length - this.firstPfn, false);
  }

  /** Hardware lets guests reach folios and the zero page, whatever the tables say. */
  #show(pfn: Pfn, kind: FrameKind): void {
    this.#memory.note(Fact.reachable, pfn, kind === FrameKind.folio || kind === FrameKind.zeroPage);
  }

  /** A frame leaves the allocator: one reference, no flags, no owner yet. */
  prepare(pfn: Pfn, kind: FrameKind): void {
    if (points.on) points.check('page', pfn);
    if (this.refcount[pfn] !== 0 || this.kind[pfn] !== FrameKind.free)
      bug('allocated frame is in use', { pfn });
    this.kind[pfn] = kind;
    this.#show(pfn, kind);
    this.refcount[pfn] = 1;
    this.flags[pfn] = 0;
    this.mapping[pfn] = 0;
    this.index[pfn] = 0;
    this.private[pfn] = 0;
  }

  /** A frame goes back to the allocator: free_pages_prepare() and its bad_page() checks. */
  release(pfn: Pfn): void {
    if (points.on) points.check('page', pfn);
    const bad = PG_locked | PG_lru | PG_swapcache | PG_writeback | PG_mlocked | PG_unevictable;
    const isUsed = this.refcount[pfn] !== 0 || this.mapcount[pfn] !== 0 || (this.flags[pfn]! & bad) !== 0;
    if (isUsed || this.mapping[pfn]! < 0 || this.memcg[pfn] !== 0) {
      bug('freed frame is in use', {
        pfn,
        refcount: this.refcount[pfn],
        mapcount: this.mapcount[pfn],
        flags: this.flags[pfn],
      });
    }
    if (this.kind[pfn] === FrameKind.free) bug('frame freed twice', { pfn });
    this.kind[pfn] = FrameKind.free;
    this.#show(pfn, FrameKind.free);
    this.flags[pfn] = 0;
    this.mapping[pfn] = 0;
  }

  count(pfn: Pfn): number {
    if (points.on) points.check('page', pfn);
    return this.refcount[pfn]!;
  }

  /** folio_get(): the caller already has or can rely on a reference. */
  get(pfn: Pfn): void {
    if (points.on) points.check('page', pfn);
    if (this.refcount[pfn]! <= 0) bug('reference taken on a free frame', { pfn });
    this.refcount[pfn]!++;
  }

  /** folio_try_get(): fails on a frame that is free or frozen. */
  tryGet(pfn: Pfn): boolean {
    if (points.on) points.check('page', pfn);
    if (this.refcount[pfn]! <= 0) return false;
    this.refcount[pfn]!++;
    return true;
  }

  /** folio_ref_add(): as get(), so many. */
  getMany(pfn: Pfn, references: number): void {
    this.get(pfn);
    this.refcount[pfn]! += references - 1;
  }

  /** folio_put_testzero(), and folio_ref_sub_and_test(). */
  putTestZero(pfn: Pfn, references = 1): boolean {
    if (points.on) points.check('page', pfn);
    this.refcount[pfn]! -= references;
    const count = this.refcount[pfn]!;
    if (count < 0) bug('reference dropped below zero', { pfn });
    return count === 0;
  }

  /** try_grab_folio() with FOLL_PIN: as get(), and whoever is about to share or move the folio can see it. */
  pin(pfn: Pfn): void {
    this.get(pfn);
    this.refcount[pfn]! += GUP_PIN_COUNTING_BIAS - 1;
  }

  /** gup_put_folio() with FOLL_PIN: true when nobody has a reference any more. */
  unpinTestZero(pfn: Pfn): boolean {
    if (points.on) points.check('page', pfn);
    this.refcount[pfn]! -= GUP_PIN_COUNTING_BIAS - 1;
    return this.putTestZero(pfn);
  }

  /** folio_maybe_dma_pinned(): never false while there is a pin. */
  isMaybePinned(pfn: Pfn): boolean {
    return this.count(pfn) >= GUP_PIN_COUNTING_BIAS;
  }

  /** folio_ref_freeze(): to 0 if the count is `expected`, so that nobody can take a reference any more. */
  freeze(pfn: Pfn, expected: number): boolean {
    if (points.on) points.check('page', pfn);
    if (this.refcount[pfn] !== expected) return false;
    this.refcount[pfn] = 0;
    return true;
  }

  unfreeze(pfn: Pfn, count: number): void {
    if (points.on) points.check('page', pfn);
    this.refcount[pfn] = count;
  }

  /** folio_mapcount(). */
  maps(pfn: Pfn): number {
    if (points.on) points.check('page', pfn);
    return this.order[pfn] === 0 ? this.mapcount[pfn]! : this.large.mapcount(pfn);
  }

  /** folio_precise_page_mapcount(): how often the page is mapped, with its folio or alone; for inspection. */
  pageMapcount(pfn: Pfn): number {
    const { order, large } = this;
    return order[pfn] === 0 ? this.mapcount[pfn]! : large.preciseMapcount(this.folioOf(pfn), pfn);
  }

  /** page_folio(): the folio that the frame is part of, while somebody has a reference to it. */
  folioOf(pfn: Pfn): Pfn {
    return (pfn - (pfn & ((1 << this.order[pfn]!) - 1))) as Pfn;
  }

  /** folio_nr_pages(). */
  nrPages(pfn: Pfn): number {
    return 1 << this.order[pfn]!;
  }

  /** PageAnonExclusive(), of a page of `folio`; of one that a PMD maps, the first stands for all. */
  isAnonExclusive(folio: Pfn, page: Pfn): boolean {
    if (points.on) points.check('page', folio);
    return (this.#pageFlags[page]! & PG_anon_exclusive) !== 0;
  }

  setAnonExclusive(folio: Pfn, page: Pfn, exclusive: boolean): void {
    if (points.on) points.check('page', folio);
    if (exclusive) this.#pageFlags[page]! |= PG_anon_exclusive;
    else this.#pageFlags[page]! &= ~PG_anon_exclusive;
  }

  /** prep_compound_page(): frames that the allocator gave in one piece become a large folio, with one reference. */
  makeLarge(folio: Pfn): void {
    if (points.on) points.check('page', folio);
    this.order.fill(HPAGE_PMD_ORDER, folio, folio + HPAGE_PMD_NR);
    this.#pageRefcount.fill(0, folio + 1, folio + HPAGE_PMD_NR);
  }

  /** A large folio is the huge page of zeros from now on: it is nobody's. */
  makeHugeZero(folio: Pfn): void {
    if (points.on) points.check('page', folio);
    this.#pageKind.fill(FrameKind.zeroPage, folio, folio + HPAGE_PMD_NR);
  }

  /**
   * __split_folio_to_order(): a large folio whose references are frozen becomes one folio for each of its pages, with
   * `references` each, on a list and locked as it was. The first one is still frozen.
   */
  makeSmall(folio: Pfn, references: number): void {
    const inherited = this.flags[folio]! & ~PG_anon_exclusive;
    this.large.deferredSplit.delete(folio);
    for (let page = folio as number; page < folio + HPAGE_PMD_NR; page++) {
      this.order[page] = 0;
      this.flags[page] = inherited;
      this.mapping[page] = this.mapping[folio]!;
      this.index[page] = this.index[folio]! + (page - folio);
      this.private[page] = 0;
      this.mlockCount[page] = 0;
      this.memcg[page] = this.memcg[folio]!;
      this.refcount[page] = page === folio ? 0 : references;
    }
  }

  /** The end of a large folio whose last reference is gone: its frames can be released one by one. */
  unmakeLarge(folio: Pfn): void {
    if (points.on) points.check('page', folio);
    if (this.maps(folio) !== 0) bug('freed folio is mapped', { folio });
    this.large.deferredSplit.delete(folio);
    this.order.fill(0, folio, folio + HPAGE_PMD_NR);
  }

  /** Whether any of `flag` is set. */
  test(pfn: Pfn, flag: number): boolean {
    if (points.on) points.check('page', pfn);
    return (this.flags[pfn]! & flag) !== 0;
  }

  set(pfn: Pfn, flag: number): void {
    if (points.on) points.check('page', pfn);
    this.flags[pfn]! |= flag;
  }

  clear(pfn: Pfn, flag: number): void {
    if (points.on) points.check('page', pfn);
    this.flags[pfn]! &= ~flag;
  }

  testAndSet(pfn: Pfn, flag: number): boolean {
    const was = this.test(pfn, flag);
    this.flags[pfn]! |= flag;
    return was;
  }

  testAndClear(pfn: Pfn, flag: number): boolean {
    const was = this.test(pfn, flag);
    this.flags[pfn]! &= ~flag;
    return was;
  }
}
