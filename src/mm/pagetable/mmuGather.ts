// mmu_gather: pages and tables that were unmapped, kept until the TLBs are flushed (mm/mmu_gather.c).
//
// munmap, madvise and exit unmap into one; when it is full, and at the end, it flushes and then frees. So a page may be
// freed before the notifier's end as well as after it.
//
// Invariant: a page whose PTE was cleared keeps that PTE's reference until every TLB that could hold it is flushed.

import type { Steps } from '../../sched/index.ts';
import type { Hva, Pfn } from '../../units.ts';
import { PAGE_SIZE } from '../../units.ts';
import { folioPut } from '../page/folio.ts';
import { freeKernelPages } from '../page/kernelPages.ts';
import { removeRmap } from '../rmap/rmap.ts';
import { freeSwapCache } from '../swap/swapCache.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { flushTlbMm, flushTlbRange } from './tlbFlush.ts';

/** Pages that fit in one batch of Linux (MAX_GATHER_BATCH); tiny hosts flush earlier. */
const BATCH_MAX = 506;
const BATCH_MIN = 8;

export class MmuGather {
  readonly mm: Mm;
  readonly #folios: Pfn[] = [];
  readonly #tables: Pfn[] = [];
  /** Pages whose entry was dirty: still counted as mapped. */
  readonly #delayedRmaps: Pfn[] = [];
  readonly #batch: number;
  #start = Number.POSITIVE_INFINITY;
  #end = Number.NEGATIVE_INFINITY;

  /** tlb_gather_mmu(). */
  constructor(mm: Mm) {
    this.mm = mm;
    this.#batch = Math.min(BATCH_MAX, Math.max(BATCH_MIN, mm.host.zone.managedPages >> 4));
    mm.tlbFlushPending++;
  }

  /** tlb_remove_tlb_entry(): the PTE of `address` was present and is gone, or old. */
  noteEntry(address: Hva): void {
    this.noteRange(address, address + PAGE_SIZE);
  }

  /** tlb_flush_pmd_range(): so were entries of [start, end). */
  noteRange(start: Hva, end: number): void {
    this.#start = Math.min(this.#start, start);
    this.#end = Math.max(this.#end, end);
  }

  /** __tlb_remove_folio_pages(): keeps the entry's reference. True when the batch is full: flush before you go on. */
  addFolio(folio: Pfn): boolean {
    this.#folios.push(folio);
    return this.#folios.length >= this.#batch;
  }

  /** The rmap of the page is removed once the TLBs are flushed, under the same page table lock. */
  delayRmap(pfn: Pfn): void {
    this.#delayedRmaps.push(pfn);
  }

  get hasDelayedRmaps(): boolean {
    return this.#delayedRmaps.length > 0;
  }

  /** tlb_flush_rmaps(): after flushTlb(); all are of `vma`. */
  *flushRmaps(vma: Vma): Steps {
    for (const pfn of this.#delayedRmaps.splice(0)) yield* removeRmap(vma, pfn);
  }

  /** pte_free_tlb(): tables that were unhooked. */
  addTables(tables: readonly Pfn[]): void {
    this.#tables.push(...tables);
  }

  /** tlb_flush_mmu_tlbonly(): legal under a page table lock. */
  *flushTlb(): Steps {
    if (this.#start >= this.#end) return;
    const start = this.#start as Hva;
    const end = this.#end as Hva;
    this.#start = Number.POSITIVE_INFINITY;
    this.#end = Number.NEGATIVE_INFINITY;
    yield* flushTlbRange(this.mm, start, end);
  }

  /** tlb_flush_mmu(): flushes, then frees what was gathered so far. */
  *flush(): Steps {
    const { host } = this.mm;
    yield* this.flushTlb();
    for (const folio of this.#folios.splice(0)) {
      yield* freeSwapCache(host, folio);
      yield* folioPut(host, folio);
    }
  }

  /** tlb_finish_mmu(). */
  *finish(): Steps {
    const { mm } = this;
    // Somebody else gathers from this mm too: what it cleared and has not flushed yet looks like none to us, and our
    // caller may rely on that.
    if (mm.tlbFlushPending > 1) yield* flushTlbMm(mm);
    yield* this.flush();
    for (const pfn of this.#tables) yield* freeKernelPages(mm.host, pfn, 0);
    mm.tlbFlushPending--;
  }
}
