// Mapping a huge page of the page cache: by one entry, or page by page where there is a table (mm/memory.c: do_set_pmd,
// finish_fault).
//
// Faults (fileFault.ts, filemapFault.ts) come here with a large folio, and who collapses a table of PTEs that all map one
// (collapsePteMapped.ts). No table is deposited: a huge page of a file that is to be split is dropped, and faulted in
// again.
//
// Invariants: the folio is locked and in the page cache; the entry takes over one reference.
// Locks: the folio lock, by the caller; mm.pageTableLock, or the page table lock.

import { PTE_BYTES } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { type Hpa, type Hva, PAGE_SIZE, type Pfn, PTES_PER_PAGE } from '../../units.ts';
import { VM_FAULT_FALLBACK, VM_FAULT_OOM, type VmFault } from '../fault/faultTypes.ts';
import { HPAGE_PMD_NR } from '../page/largeFolio.ts';
import { allocPmd } from '../pagetable/pageTable.ts';
import { maybeMkWrite, mkPte, readPte, setPte } from '../pagetable/pte.ts';
import { addFileHugeRmap } from '../rmap/hugeRmap.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_NOHUGEPAGE } from '../vma/vmFlags.ts';
import { isThpSuitable } from './thp.ts';

/** do_set_pmd(): 0; VM_FAULT_FALLBACK: the VMA has no room for it or there is an entry; VM_FAULT_OOM. */
export function* doSetPmd({ vma, address }: VmFault, folio: Pfn, write: boolean): Steps<number> {
  const { mm } = vma;
  const { host } = mm;
  if (host.frames.order[folio] === 0 || (vma.flags & VM_NOHUGEPAGE) !== 0 || !isThpSuitable(vma, address))
    return VM_FAULT_FALLBACK;
  const pmdp = yield* allocPmd(mm, address);
  if (pmdp === 0) return VM_FAULT_OOM;
  yield* mm.pageTableLock.lock();
  if (points.on) yield at.pte(pmdp);
  const isNone = readPte(host, pmdp) === 0;
  if (isNone) {
    yield* addFileHugeRmap(vma, folio);
    const entry = mkPte(folio, vma);
    if (points.on) yield at.pte(pmdp);
    setPte(host, pmdp, write ? maybeMkWrite(entry, vma) : entry);
    mm.hugePmds++;
    host.vmstat.thp_file_mapped++;
  }
  yield* mm.pageTableLock.unlock();
  return isNone ? 0 : VM_FAULT_FALLBACK;
}

/**
 * The entries that a fault on page `page` of `folio` may set at once: [first, first + pages) from the one that faulted,
 * which is all of a large folio of shmem where VMA and table have room for it; else the one.
 */
export function entriesToSet(
  vma: Vma,
  address: Hva,
  folio: Pfn,
  page: Pfn,
): { first: number; pages: number } {
  const one = { first: 0, pages: 1 };
  const { frames } = vma.mm.host;
  if (frames.order[folio] === 0 || vma.file?.mapping.kind !== 'shmem' || vma.userfaultfd !== null) return one;
  const before = page - folio;
  const inVma = (address - vma.start) / PAGE_SIZE;
  const inTable = Math.floor(address / PAGE_SIZE) & (PTES_PER_PAGE - 1);
  const fits = inVma >= before && inVma - before + HPAGE_PMD_NR <= vma.pages && inTable === before;
  return fits ? { first: -before, pages: HPAGE_PMD_NR } : one;
}

/** pte_range_none(). Under the page table lock. */
export function* arePtesNone(vma: Vma, first: Hpa, pages: number): Steps<boolean> {
  for (let i = 0; i < pages; i++) {
    const ptep = (first + i * PTE_BYTES) as Hpa;
    if (points.on) yield at.pte(ptep);
    if (readPte(vma.mm.host, ptep) !== 0) return false;
  }
  return true;
}
