// The host's page tables: Sv39 tables in frames, made when a fault needs them, unhooked when their range is unmapped.
//
// Faults allocate through here; munmap and exit take tables out, and free them after the TLB flush (mmuGather.ts).
//
// Invariants: an upper entry is 0, points to a table, or maps a huge page (pmd.ts); mm.pageTables counts the frames.
// Lock: an upper entry is set under mm.pageTableLock; one that points to a table is cleared only when nobody can reach
// the range any more (mmap_lock for write, its VMAs detached and unlinked from their anon_vmas).

import { isPresent, LEVELS, levelBytes, makePte, PTE_V, ptePfn } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import type { Hpa, Hva, Pfn } from '../../units.ts';
import { VM_FAULT_NOPAGE, VM_FAULT_OOM } from '../fault/faultTypes.ts';
import { freeKernelPages } from '../page/kernelPages.ts';
import { allocKernelPages } from '../page/pageAlloc.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { findEntry, findPte } from './pte.ts';

/** Answer of allocPte(): a huge page is mapped here. */
const IS_HUGE = -1;

/**
 * pte_alloc(): as findPte(), making the tables that are missing; 0 when out of memory, IS_HUGE when somebody mapped a
 * huge page meanwhile. May sleep.
 */
export function* allocPte(mm: Mm, address: Hva): Steps<Hpa> {
  if (!(yield* allocTables(mm, address, 1))) return 0 as Hpa;
  if (points.on) yield at.list(mm.pageTableLock.id);
  return (findPte(mm, address) || IS_HUGE) as Hpa;
}

/** What a fault answers to which allocPte() gave no table: try again, or VM_FAULT_OOM. */
export const noPteResult = (answer: number): number => (answer === IS_HUGE ? VM_FAULT_NOPAGE : VM_FAULT_OOM);

/**
 * pmd_alloc(): where the entry of the 2 MiB around `address` lies, be it a table or not; 0 when out of memory. May
 * sleep.
 */
export function* allocPmd(mm: Mm, address: Hva): Steps<Hpa> {
  if (!(yield* allocTables(mm, address, 2))) return 0 as Hpa;
  if (points.on) yield at.list(mm.pageTableLock.id);
  return findEntry(mm, address, 1);
}

/** The tables behind the entries for `address` at all levels down to `last`. False when out of memory. */
function* allocTables(mm: Mm, address: Hva, last: number): Steps<boolean> {
  for (let level = LEVELS - 1; level >= last; level--) {
    if (points.on) yield at.list(mm.pageTableLock.id);
    if (findEntry(mm, address, level - 1) === 0 && !(yield* allocTable(mm, address, level))) return false;
  }
  return true;
}

/** __pte_alloc(): fills the entry for `address` at `level`; whoever is first wins. False when out of memory. */
function* allocTable(mm: Mm, address: Hva, level: number): Steps<boolean> {
  const { host } = mm;
  const pfn = yield* allocKernelPages(host, 0, 'pageTable');
  if (pfn === null) return false;
  yield* mm.pageTableLock.lock();
  if (points.on) yield at.list(mm.pageTableLock.id);
  const entry = findEntry(mm, address, level);
  const first = host.memory.i32[entry >>> 2] === 0;
  if (first) {
    setTable(mm, entry, makePte(pfn, PTE_V));
    mm.pageTables++;
  }
  yield* mm.pageTableLock.unlock();
  if (!first) yield* freeKernelPages(host, pfn, 0);
  return true;
}

/**
 * free_pgd_range(): unhooks the tables that only [start, end) could use, given that nothing else is mapped in
 * [floor, ceiling). Returns their frames; they may be freed once no CPU can be walking them.
 */
export function* unhookTables(mm: Mm, start: Hva, end: Hva, floor: number, ceiling: number): Steps<Pfn[]> {
  const unhooked: Pfn[] = [];
  const bytes = levelBytes(LEVELS - 1);
  for (let base = Math.floor(start / bytes) * bytes; base < end; base += bytes) {
    if (points.on) yield at.list(mm.pageTableLock.id);
    if (findEntry(mm, base as Hva, 1) === 0) continue;
    unhookLeafTables(mm, base, floor, ceiling, unhooked);
    if (base >= floor && base + bytes <= ceiling) unhook(mm, base as Hva, LEVELS - 1, unhooked);
  }
  return unhooked;
}

/** free_pmd_range(): of the GiB from `base`, the entries wholly within [floor, ceiling). */
function unhookLeafTables(mm: Mm, base: number, floor: number, ceiling: number, unhooked: Pfn[]): void {
  const bytes = levelBytes(1);
  const from = Math.max(base, Math.ceil(floor / bytes) * bytes);
  const to = Math.min(base + levelBytes(LEVELS - 1), ceiling);
  for (let address = from; address + bytes <= to; address += bytes) unhook(mm, address as Hva, 1, unhooked);
}

function unhook(mm: Mm, address: Hva, level: number, unhooked: Pfn[]): void {
  const entry = findEntry(mm, address, level);
  const pte = mm.host.memory.i32[entry >>> 2]!;
  if (!isPresent(pte)) return;
  setTable(mm, entry, 0);
  unhooked.push(ptePfn(pte));
  mm.pageTables--;
}

/** set_pmd() and set_pud() of an entry that refers to a table, or to none. Preceded by at.list(mm.pageTableLock.id). */
function setTable(mm: Mm, entry: Hpa, pte: number): void {
  if (points.on) points.check('list', mm.pageTableLock.id, 'update');
  mm.host.memory.write64(entry, pte, 0);
}
