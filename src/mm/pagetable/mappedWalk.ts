// The entries of one VMA that map a large folio, whole or page by page (mm/page_vma_mapped.c).
//
// Reverse mapping walks come here with each VMA of a large folio; of a small one there is one entry, which rmap.ts finds.
//
// Invariant: every entry of the VMA that maps the folio at its place is visited, as long as the rmap lock is held, which
// the caller does. Locks: the page table lock of the entry, or mm.pageTableLock, round each visit.

import { PTE_BYTES, ptePfn } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, hugeAlignDown } from '../page/largeFolio.ts';
import type { Vma } from '../vma/vma.ts';
import { findHugePmd, pmdTransHugeLock } from './pmd.ts';
import { findPte, isPresentPte, pteMapLock, ptlOf, readPte } from './pte.ts';

/** An entry that maps the folio, or at level 0 one page of it. True: do not go on. */
export type MappedVisitor = (entryp: Hpa, address: Hva, level: 0 | 1) => Steps<boolean>;

/** vma_address_end(): where the VMA ends to map a folio that has `pages` pages from `index` on. */
export const endInVma = (vma: Vma, index: number, pages: number): Hva =>
  Math.min(vma.end, vma.start + (index + pages - vma.pgoff) * PAGE_SIZE) as Hva;

/** page_vma_mapped_walk(), from `first`, the folio's first address in the VMA; `index` is that of its first page. */
export function* walkMapped(
  vma: Vma,
  folio: Pfn,
  index: number,
  first: Hva,
  visit: MappedVisitor,
): Steps<boolean> {
  const { mm } = vma;
  const end = endInVma(vma, index, HPAGE_PMD_NR);
  for (let address = first; address < end; ) {
    const next = Math.min(end, hugeAlignDown(address) + HPAGE_PMD_SIZE) as Hva;
    if (points.on) yield at.list(mm.pageTableLock.id);
    const pmdp = findHugePmd(mm, address);
    if (pmdp !== 0 ? yield* visitHuge(vma, folio, pmdp, address, visit) : false) return true;
    if (points.on) yield at.list(mm.pageTableLock.id);
    const ptep = findPte(mm, address);
    if (ptep !== 0 && (yield* visitTable(vma, folio, ptep, address, next, visit))) return true;
    address = next;
  }
  return false;
}

function* visitHuge(vma: Vma, folio: Pfn, pmdp: Hpa, address: Hva, visit: MappedVisitor): Steps<boolean> {
  const { mm } = vma;
  if (!(yield* pmdTransHugeLock(mm, pmdp))) return false;
  if (points.on) yield at.pte(pmdp);
  const done = ptePfn(readPte(mm.host, pmdp)) === folio && (yield* visit(pmdp, address, 1));
  yield* mm.pageTableLock.unlock();
  return done;
}

function* visitTable(
  vma: Vma,
  folio: Pfn,
  first: Hpa,
  start: Hva,
  end: Hva,
  visit: MappedVisitor,
): Steps<boolean> {
  const { host } = vma.mm;
  let done = false;
  if (!(yield* pteMapLock(vma.mm, start, first))) return false;
  for (let address = start, ptep = first; address < end && !done; ) {
    if (points.on) yield at.pte(ptep);
    const pte = readPte(host, ptep);
    const offset = ptePfn(pte) - folio;
    if (isPresentPte(pte) && offset >= 0 && offset < HPAGE_PMD_NR) done = yield* visit(ptep, address, 0);
    address = (address + PAGE_SIZE) as Hva;
    ptep = (ptep + PTE_BYTES) as Hpa;
  }
  yield* ptlOf(host, first).unlock();
  return done;
}
