// What madvise() does about huge pages: those that it is given whole it treats as one page, of those that it is given in
// part it splits the folio first (mm/huge_memory.c: madvise_free_huge_pmd; mm/madvise.c).
//
// Invariant: a folio that others map too is left alone, as madvise() does with any page.
// Locks: mmap_lock for read or the VMA's; mm.pageTableLock; the folio lock, by trylock.

import { PTE_A, PTE_D, ptePfn } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import type { Hpa, Hva, Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioLruvec } from '../memcg/memcontrol.ts';
import { folioPut } from '../page/folio.ts';
import { PG_activate, PG_active, PG_dirty, PG_referenced, PG_workingset } from '../page/frames.ts';
import { HPAGE_PMD_SIZE } from '../page/largeFolio.ts';
import type { MmuGather } from '../pagetable/mmuGather.ts';
import { type PteVisitor, visitPtes, walkPageRange } from '../pagetable/pagewalk.ts';
import { pmdpInvalidate, pmdTransHugeLock } from '../pagetable/pmd.ts';
import { readPte, setPte } from '../pagetable/pte.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { splitFolio } from './splitFolio.ts';

/** Large folios that were met under a page table lock and are to be split after it, each with a reference. */
export class LargeToSplit {
  readonly #folios = new Set<Pfn>();
  readonly #failed = new Set<Pfn>();

  /** A page of a large folio: true, it is not to be treated yet. Under the page table lock. */
  *note({ frames }: Host, page: Pfn): Steps<true> {
    const folio = frames.folioOf(page);
    if (this.#folios.has(folio) || this.#failed.has(folio)) return true;
    if (points.on) yield at.page(folio);
    frames.get(folio);
    this.#folios.add(folio);
    return true;
  }

  /** split_folio() of each: true when there is something new to look at. */
  *split(host: Host): Steps<boolean> {
    const { folioLocks } = host;
    let changed = false;
    for (const folio of this.#folios) {
      if (points.on) yield at.page(folio);
      let split = false;
      if (folioLocks.tryLock(folio)) {
        split = (yield* splitFolio(host, folio, null)) === 0;
        if (points.on) yield at.page(folio);
        folioLocks.unlock(folio);
      }
      yield* folioPut(host, folio);
      if (split) changed = true;
      else this.#failed.add(folio);
    }
    this.#folios.clear();
    return changed;
  }
}

type PteWork = (ptep: Hpa, address: Hva, large: LargeToSplit) => Steps;
type HugeWork = (pmdp: Hpa, address: Hva, end: Hva, large: LargeToSplit) => Steps;
type After = (() => Steps) | null;

/**
 * Visits the entries of [start, end), in `vma`, under each table's lock, and huge PMDs under mm.pageTableLock; whatever
 * the visitors noted is split, and the table visited again. `after` each table, with nothing locked.
 */
export function walkSplitting(
  vma: Vma,
  start: Hva,
  end: Hva,
  visit: PteWork,
  visitHuge: HugeWork,
  after: After = null,
): Steps {
  const { mm } = vma;
  const large = new LargeToSplit();
  const visitEntry: PteVisitor = (entry, address) => visit(entry, address, large);
  return walkPageRange(
    vma,
    start,
    end,
    (ptep, first, last) => visitSplitting(mm, ptep, first, last, visitEntry, large, after),
    (pmdp, first, last) => visitHugeSplitting(mm, pmdp, visitHuge(pmdp, first, last, large), large, after),
  );
}

/** One table, until nothing is left to split. */
function* visitSplitting(
  mm: Mm,
  ptep: Hpa,
  first: Hva,
  last: Hva,
  visit: PteVisitor,
  large: LargeToSplit,
  after: After,
): Steps {
  do {
    yield* visitPtes(mm, ptep, first, last, true, visit);
    if (after !== null) yield* after();
  } while (yield* large.split(mm.host));
}

/** One PMD, for `work`. False: it is to be looked at again. */
function* visitHugeSplitting(
  mm: Mm,
  pmdp: Hpa,
  work: Steps,
  large: LargeToSplit,
  after: After,
): Steps<boolean> {
  if (!(yield* pmdTransHugeLock(mm, pmdp))) return false;
  yield* work;
  yield* mm.pageTableLock.unlock();
  if (after !== null) yield* after();
  return !(yield* large.split(mm.host));
}

/** The folio, if nobody else maps it and [address, end) is all of it; a part is noted to be split. Else 0. */
function* wholeFolio(host: Host, pmdp: Hpa, address: Hva, end: Hva, large: LargeToSplit): Steps<Pfn | 0> {
  if (points.on) yield at.pte(pmdp);
  const folio = ptePfn(readPte(host, pmdp));
  if (points.on) yield at.page(folio);
  if (host.frames.maps(folio) !== 1) return 0 as const;
  if (end - address === HPAGE_PMD_SIZE) return folio;
  yield* large.note(host, folio);
  return 0 as const;
}

/** Clears bits of the entry, and lets the TLBs be flushed. */
function* pmdpClear(gather: MmuGather, pmdp: Hpa, address: Hva, end: Hva, bits: number): Steps {
  const { mm } = gather;
  if (points.on) yield at.pte(pmdp);
  if ((readPte(mm.host, pmdp) & bits) === 0) return;
  const old = yield* pmdpInvalidate(mm, address, pmdp);
  if (points.on) yield at.pte(pmdp);
  setPte(mm.host, pmdp, old & ~bits);
  gather.noteRange(address, end);
}

/** madvise_cold_or_pageout_pte_range() of a huge PMD: the folio, no longer young; or 0. Under mm.pageTableLock. */
export function* coldHugePmd(
  gather: MmuGather,
  pmdp: Hpa,
  address: Hva,
  end: Hva,
  pageout: boolean,
  large: LargeToSplit,
): Steps<Pfn | 0> {
  const { host } = gather.mm;
  const folio = yield* wholeFolio(host, pmdp, address, end, large);
  if (folio === 0) return 0 as const;
  if (!pageout) yield* pmdpClear(gather, pmdp, address, end, PTE_A);
  if (points.on) yield at.page(folio);
  host.frames.clear(folio, PG_referenced | PG_activate);
  if (host.frames.test(folio, PG_active)) host.frames.set(folio, PG_workingset);
  return folio;
}

/** madvise_free_huge_pmd(). Under mm.pageTableLock. */
export function* freeHugePmd(
  gather: MmuGather,
  pmdp: Hpa,
  address: Hva,
  end: Hva,
  large: LargeToSplit,
): Steps {
  const { host } = gather.mm;
  const folio = yield* wholeFolio(host, pmdp, address, end, large);
  if (folio === 0) return;
  if (points.on) yield at.page(folio);
  if (!host.folioLocks.tryLock(folio)) return;
  host.frames.clear(folio, PG_dirty);
  host.folioLocks.unlock(folio);
  yield* pmdpClear(gather, pmdp, address, end, PTE_A | PTE_D);
  yield* folioLruvec(host, folio).markLazyfree(folio);
}
