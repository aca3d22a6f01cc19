// Large folios: 512 aligned frames with one reference count, one lock and one place on the LRU (struct folio of order 9).
//
// frames.ts has what every folio has, by its first frame; here is what a large one has besides: how it is mapped. rmap.ts
// and hugeRmap.ts count, splitFolio.ts takes large folios apart.
//
// A page of a large folio is mapped by PTEs, which the frame's own mapcount counts, and with all others by PMDs
// (_entire_mapcount). _large_mapcount counts both; _nr_pages_mapped the pages that some PTE maps.
// Invariants: every frame of a large folio has its order; only the first one's reference count is not 0. A folio that is
// in the deferred split queue is anonymous and was mapped whole once. Points: a task announces a page by its folio, with
// at.page(folio).

import { points } from '../../sched/index.ts';
import { bug, type Pfn } from '../../units.ts';

export const HPAGE_PMD_ORDER = 9;
export const HPAGE_PMD_NR = 1 << HPAGE_PMD_ORDER;
/** Bytes. */
export const HPAGE_PMD_SIZE = 2 ** 21;

/** First address of the 2 MiB that `address` lies in; also right for negative ones. */
export const hugeAlignDown = (address: number): number =>
  Math.floor(address / HPAGE_PMD_SIZE) * HPAGE_PMD_SIZE;

export class LargeFolios {
  /** By pfn: page->_mapcount. */
  readonly #pageMapcount: Int32Array;
  // By the number of the 2 MiB of memory that the folio is.
  readonly #entireMapcount: Int32Array;
  readonly #largeMapcount: Int32Array;
  readonly #nrPagesMapped: Int32Array;
  /** Folios that lost a page while others stay mapped (deferred_split_queue), oldest first. */
  readonly deferredSplit = new Set<Pfn>();

  constructor(pageMapcount: Int32Array) {
    const blocks = (pageMapcount.length >>> HPAGE_PMD_ORDER) + 1;
    this.#pageMapcount = pageMapcount;
    this.#entireMapcount = new Int32Array(blocks);
    this.#largeMapcount = new Int32Array(blocks);
    this.#nrPagesMapped = new Int32Array(blocks);
  }

  /** folio_mapcount(). */
  mapcount(folio: Pfn): number {
    if (points.on) points.check('page', folio);
    return this.#largeMapcount[folio >>> HPAGE_PMD_ORDER]!;
  }

  /** folio_entire_mapcount(). */
  entireMapcount(folio: Pfn): number {
    if (points.on) points.check('page', folio);
    return this.#entireMapcount[folio >>> HPAGE_PMD_ORDER]!;
  }

  /** __folio_add_rmap() of a PTE: pages that were not mapped before, 0 or 1. */
  addPte(folio: Pfn, page: Pfn): number {
    if (points.on) points.check('page', folio);
    const block = folio >>> HPAGE_PMD_ORDER;
    this.#largeMapcount[block]!++;
    if (this.#pageMapcount[page]!++ > 0) return 0;
    this.#nrPagesMapped[block]!++;
    return this.#entireMapcount[block] === 0 ? 1 : 0;
  }

  /** __folio_add_rmap() of a PMD: pages that were not mapped before. */
  addPmd(folio: Pfn): number {
    if (points.on) points.check('page', folio);
    const block = folio >>> HPAGE_PMD_ORDER;
    this.#largeMapcount[block]!++;
    return this.#entireMapcount[block]!++ > 0 ? 0 : HPAGE_PMD_NR - this.#nrPagesMapped[block]!;
  }

  /** __folio_remove_rmap() of a PTE: pages that are not mapped any more, 0 or 1. */
  removePte(folio: Pfn, page: Pfn): number {
    if (points.on) points.check('page', folio);
    const block = folio >>> HPAGE_PMD_ORDER;
    if (this.#pageMapcount[page]! <= 0) bug('rmap removed twice', { page });
    this.#largeMapcount[block]!--;
    if (--this.#pageMapcount[page]! > 0) return 0;
    this.#nrPagesMapped[block]!--;
    return this.#entireMapcount[block] === 0 ? 1 : 0;
  }

  /** __folio_remove_rmap() of a PMD: pages that are not mapped any more. */
  removePmd(folio: Pfn): number {
    if (points.on) points.check('page', folio);
    const block = folio >>> HPAGE_PMD_ORDER;
    if (this.#entireMapcount[block]! <= 0) bug('rmap of a PMD removed twice', { folio });
    this.#largeMapcount[block]!--;
    return --this.#entireMapcount[block]! > 0 ? 0 : HPAGE_PMD_NR - this.#nrPagesMapped[block]!;
  }

  /** deferred_split_folio(folio, true): whether it was not in the queue yet. One step with what made it partly mapped. */
  deferSplit(folio: Pfn): boolean {
    if (points.on) points.check('page', folio);
    if (this.#largeMapcount[folio >>> HPAGE_PMD_ORDER] === 0 || this.deferredSplit.has(folio)) return false;
    this.deferredSplit.add(folio);
    return true;
  }

  /** Pages that no PTE maps; what comes free when a folio without a PMD is split. */
  nrUnmapped(folio: Pfn): number {
    if (points.on) points.check('page', folio);
    return HPAGE_PMD_NR - this.#nrPagesMapped[folio >>> HPAGE_PMD_ORDER]!;
  }

  /** folio_precise_page_mapcount(): how often the page is mapped, by itself and with its folio. */
  preciseMapcount(folio: Pfn, page: Pfn): number {
    return this.#pageMapcount[page]! + this.#entireMapcount[folio >>> HPAGE_PMD_ORDER]!;
  }
}
