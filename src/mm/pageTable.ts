// The host's page tables: Sv39 tables in frames, made when a fault needs them, unhooked when their range is unmapped.
//
// Faults allocate through here; munmap and exit take tables out, and free them after the TLB flush (mmuGather.ts).
//
// Invariants: an upper entry is 0 or points to a table; mm.pageTables counts the frames. Lock: an upper entry is set
// under mm.pageTableLock; it is cleared only when nobody can reach the range any more (mmap_lock for write, its VMAs
// detached and unlinked from their anon_vmas).

import { isPresent, LEVELS, levelBytes, makePte, PTE_V, ptePfn } from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { type Hpa, type Hva, type Pfn, pfnToHpa } from '../units.ts';
import { freeKernelPages } from './kernelPages.ts';
import type { Mm } from './mmStruct.ts';
import { allocKernelPages } from './pageAlloc.ts';
import { entryOf, ptepGetAndClear, readPte, setPte } from './pte.ts';

/** pte_alloc(): as findPte(), making the tables that are missing; 0 when out of memory. May sleep. */
export function* allocPte(mm: Mm, address: Hva): Steps<Hpa> {
  let table = mm.root;
  for (let level = LEVELS - 1; level > 0; level--) {
    const entry = entryOf(table, address, level);
    if (points.on) yield at.pte(entry);
    let pte = readPte(mm.host, entry);
    if (!isPresent(pte)) pte = yield* allocTable(mm, entry);
    if (pte === 0) return 0 as Hpa;
    table = pfnToHpa(ptePfn(pte));
  }
  return entryOf(table, address, 0);
}

/** __pte_alloc(): whoever installs its table first wins. Returns the entry, or 0. */
function* allocTable(mm: Mm, entry: Hpa): Steps<number> {
  const { host } = mm;
  const pfn = yield* allocKernelPages(host, 0, 'pageTable');
  if (pfn === null) return 0;
  yield* mm.pageTableLock.lock();
  if (points.on) yield at.pte(entry);
  let pte = readPte(host, entry);
  const first = !isPresent(pte);
  if (first) {
    pte = makePte(pfn, PTE_V);
    setPte(host, entry, pte);
    mm.pageTables++;
  }
  yield* mm.pageTableLock.unlock();
  if (!first) yield* freeKernelPages(host, pfn, 0);
  return pte;
}

/**
 * free_pgd_range(): unhooks the tables that only [start, end) could use, given that nothing else is mapped in
 * [floor, ceiling). Returns their frames; they may be freed once no CPU can be walking them.
 */
export function* unhookTables(mm: Mm, start: Hva, end: Hva, floor: number, ceiling: number): Steps<Pfn[]> {
  const unhooked: Pfn[] = [];
  const bytes = levelBytes(LEVELS - 1);
  for (let base = Math.floor(start / bytes) * bytes; base < end; base += bytes) {
    const entry = entryOf(mm.root, base as Hva, LEVELS - 1);
    if (points.on) yield at.pte(entry);
    const pte = readPte(mm.host, entry);
    if (!isPresent(pte)) continue;
    yield* unhookLeafTables(mm, pfnToHpa(ptePfn(pte)), base, floor, ceiling, unhooked);
    if (base >= floor && base + bytes <= ceiling) yield* unhook(mm, entry, unhooked);
  }
  return unhooked;
}

/** free_pmd_range(): of the table that maps the GiB from `base`, the entries wholly within [floor, ceiling). */
function* unhookLeafTables(
  mm: Mm,
  table: Hpa,
  base: number,
  floor: number,
  ceiling: number,
  unhooked: Pfn[],
): Steps {
  const bytes = levelBytes(1);
  const from = Math.max(base, Math.ceil(floor / bytes) * bytes);
  const to = Math.min(base + levelBytes(LEVELS - 1), ceiling);
  for (let at = from; at + bytes <= to; at += bytes)
    yield* unhook(mm, entryOf(table, at as Hva, 1), unhooked);
}

function* unhook(mm: Mm, entry: Hpa, unhooked: Pfn[]): Steps {
  if (points.on) yield at.pte(entry);
  const pte = ptepGetAndClear(mm.host, entry);
  if (!isPresent(pte)) return;
  unhooked.push(ptePfn(pte));
  mm.pageTables--;
}
