// Walking the tables of a range (mm/pagewalk.c).
//
// munmap, madvise, mprotect and others visit each page table that exists, and skip the holes: a sparse guest of a
// terabyte costs no more than the tables that it has.
//
// A huge page is for whoever wants to see one; for others it is split, so that they find its 512 entries.
//
// Lock: the caller holds mmap_lock or the VMA's lock, so that no table of the range goes away. The table's own is
// taken by walkPtes(), and by the visitor of walkPageRange().

import { levelBytes, PTE_BYTES } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { type Hpa, type Hva, PAGE_SIZE } from '../../units.ts';
import { splitHugePmd } from '../thp/splitPmd.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { findHugePmd } from './pmd.ts';
import { findEntry, findPte, pteMapLock, ptlOf } from './pte.ts';
import { flushTlbBatchedPending } from './tlbFlush.ts';

/** Visits the entries for [address, end), which lie in one table, the first at `ptep`. */
export type TableVisitor = (ptep: Hpa, address: Hva, end: Hva) => Steps;

/**
 * Visits the entry at `pmdp` that maps a huge page, for [address, end), which is all of it or a part. False: look at the
 * range again, there is a table now, or nothing.
 */
export type HugeVisitor = (pmdp: Hpa, address: Hva, end: Hva) => Steps<boolean>;

/** walk_page_range() of the last two levels; [start, end) lies within `vma`. Without `visitHuge` huge pages are split. */
export function* walkPageRange(
  vma: Vma,
  start: Hva,
  end: Hva,
  visit: TableVisitor,
  visitHuge: HugeVisitor | null = null,
): Steps {
  const { mm } = vma;
  for (let address = start; address < end; ) {
    if (points.on) yield at.list(mm.pageTableLock.id);
    const ptep = findPte(mm, address);
    const bytes = levelBytes(ptep === 0 && findEntry(mm, address, 1) === 0 ? 2 : 1);
    const next = Math.min(end, (Math.floor(address / bytes) + 1) * bytes) as Hva;
    const pmdp = ptep === 0 ? findHugePmd(mm, address) : (0 as Hpa);
    if (pmdp !== 0) {
      if (visitHuge === null) yield* splitHugePmd(vma, pmdp, address);
      if (visitHuge === null || !(yield* visitHuge(pmdp, address, next))) continue;
    }
    if (ptep !== 0) yield* visit(ptep, address, next);
    address = next;
  }
}

/** Visits one entry, whose page table lock is held. */
export type PteVisitor = (ptep: Hpa, address: Hva) => Steps;

/**
 * Visits the entries for [start, end), which lie in one table, the first at `ptep`, under its lock. `changes`: the
 * visitor relies on what it finds to be so in every TLB (flush_tlb_batched_pending()).
 */
export function* visitPtes(
  mm: Mm,
  ptep: Hpa,
  start: Hva,
  end: Hva,
  changes: boolean,
  visit: PteVisitor,
): Steps {
  // A table that went away was empty.
  if (!(yield* pteMapLock(mm, start, ptep))) return;
  if (changes) yield* flushTlbBatchedPending(mm);
  for (let address = start, entry = ptep; address < end; ) {
    yield* visit(entry, address);
    address = (address + PAGE_SIZE) as Hva;
    entry = (entry + PTE_BYTES) as Hpa;
  }
  yield* ptlOf(mm.host, ptep).unlock();
}

/** Visits every entry of the tables of [start, end), as visitPtes() does, and huge pages as walkPageRange() does. */
export const walkPtes = (
  vma: Vma,
  start: Hva,
  end: Hva,
  changes: boolean,
  visit: PteVisitor,
  visitHuge: HugeVisitor | null = null,
): Steps => {
  const visitTable: TableVisitor = (ptep, first, last) =>
    visitPtes(vma.mm, ptep, first, last, changes, visit);
  return walkPageRange(vma, start, end, visitTable, visitHuge);
};
