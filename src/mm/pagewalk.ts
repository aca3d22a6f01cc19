// Walking the tables of a range (mm/pagewalk.c).
//
// zap.ts and madvise.ts visit each page table that exists, and skip the holes: a sparse guest of a terabyte costs no more
// than the tables that it has.
//
// Lock: the caller holds mmap_lock or the VMA's lock, so that no table of the range goes away; the visitor takes the
// table's own.

import { levelBytes } from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import type { Hpa, Hva } from '../units.ts';
import type { Mm } from './mmStruct.ts';
import { findEntry, findPte } from './pte.ts';

/** Visits the entries for [address, end), which lie in one table, the first at `ptep`. */
export type TableVisitor = (ptep: Hpa, address: Hva, end: Hva) => Steps;

/** walk_page_range() of the last level. */
export function* walkPageRange(mm: Mm, start: Hva, end: Hva, visit: TableVisitor): Steps {
  for (let address = start; address < end; ) {
    if (points.on) yield at.list(mm.pageTableLock.id);
    const ptep = findPte(mm, address);
    const bytes = levelBytes(ptep === 0 && findEntry(mm, address, 1) === 0 ? 2 : 1);
    const next = Math.min(end, (Math.floor(address / bytes) + 1) * bytes) as Hva;
    if (ptep !== 0) yield* visit(ptep, address, next);
    address = next;
  }
}
