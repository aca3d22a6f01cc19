// PMD entries that map a huge page: 2 MiB of a process by one entry of the level above the lowest.
//
// hugeMemory.ts and hugePmd.ts write them, splitPmd.ts makes tables of them; all others come across them where findPte()
// finds no table (pagewalk.ts, gup.ts, rmap).
//
// An entry has the bits of a PTE. One that is being split or changed has V (and _PAGE_PROT_NONE) cleared and keeps its
// permission bits, by which it can be told from a table and from none (pmd_mkinvalid()).
// Invariant: mm.hugePmds counts them. Lock: mm.pageTableLock (pmd_lock()); a task announces an entry with at.pte(its
// address).

import { isPresent, isTable, PTE_G, PTE_PPN_SHIFT, PTE_V, ptePfn } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { Scan } from '../../trace/index.ts';
import { bug, type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import { freeKernelPages } from '../page/kernelPages.ts';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE } from '../page/largeFolio.ts';
import type { Mm } from '../vma/mmStruct.ts';
import { findEntry, PTE_SPECIAL, ptepGetAndClear, readPte, setPte } from './pte.ts';
import { flushTlbRange } from './tlbFlush.ts';

/** pmd_trans_huge(): maps a huge page, or does again as soon as its lock is free. */
export const isHugePmd = (pmd: number): boolean => pmd !== 0 && !isTable(pmd);

/** is_huge_zero_pmd(): maps the huge page of zeros (hugeZero.ts). */
export const isHugeZeroPmd = (pmd: number): boolean => isHugePmd(pmd) && (pmd & PTE_SPECIAL) !== 0;

/** The PTE that `pmd` stands for at `address`. */
export const pteOfPmd = (pmd: number, address: Hva): number =>
  pmd + (((address / PAGE_SIZE) & (HPAGE_PMD_NR - 1)) << PTE_PPN_SHIFT);

/** Where the huge PMD of `address` lies, or 0: there is none. Preceded by at.list(mm.pageTableLock.id). */
export function findHugePmd(mm: Mm, address: Hva): Hpa {
  if (mm.hugePmds === 0) return 0 as Hpa;
  const pmdp = findEntry(mm, address, 1);
  return pmdp !== 0 && isHugePmd(mm.host.memory.i32[pmdp >>> 2]!) ? pmdp : (0 as Hpa);
}

/**
 * host_pfn_mapping_level(): 1 where the process maps `address` by an entry of 2 MiB that is in use, else 0. Preceded by
 * at.list(mm.pageTableLock.id); without a lock, so that only a client of the mm's notifiers can rely on it.
 */
export function hostMappingLevel(mm: Mm, address: Hva): 0 | 1 {
  const pmdp = findHugePmd(mm, address);
  return pmdp !== 0 && isPresent(mm.host.memory.i32[pmdp >>> 2]!) ? 1 : 0;
}

/** The entry of the level above PTEs if it points to a table, or what it is instead. */
export type FoundPmd = { readonly pmdp: Hpa; readonly table: Pfn } | { readonly scan: number };

/** find_pmd_or_thp_or_none(): SCAN_PMD_NULL, SCAN_PMD_NONE or SCAN_PMD_MAPPED where there is no table. */
export function* findPmdOrThpOrNone(mm: Mm, address: Hva): Steps<FoundPmd> {
  if (points.on) yield at.list(mm.pageTableLock.id);
  const pmdp = findEntry(mm, address, 1);
  if (pmdp === 0) return { scan: Scan.PMD_NULL };
  if (points.on) yield at.pte(pmdp);
  const pmd = readPte(mm.host, pmdp);
  if (isTable(pmd)) return { pmdp, table: ptePfn(pmd) };
  return { scan: isHugePmd(pmd) ? Scan.PMD_MAPPED : Scan.PMD_NONE };
}

/** pmd_trans_huge_lock(): true with mm.pageTableLock held, if the entry (still) maps a huge page. */
export function* pmdTransHugeLock(mm: Mm, pmdp: Hpa): Steps<boolean> {
  yield* mm.pageTableLock.lock();
  if (points.on) yield at.pte(pmdp);
  if (isHugePmd(readPte(mm.host, pmdp))) return true;
  yield* mm.pageTableLock.unlock();
  return false;
}

/** pmdp_invalidate(): no CPU can use the entry any more, or change it. Returns what it was. */
export function* pmdpInvalidate(mm: Mm, address: Hva, pmdp: Hpa): Steps<number> {
  if (points.on) yield at.pte(pmdp);
  const pmd = readPte(mm.host, pmdp);
  setPte(mm.host, pmdp, pmd & ~(PTE_V | PTE_G));
  yield* flushTlbRange(mm, address, (address + HPAGE_PMD_SIZE) as Hva);
  return pmd;
}

/** pmdp_huge_clear_flush(): returns what the entry was. */
export function* pmdpHugeClearFlush(mm: Mm, address: Hva, pmdp: Hpa): Steps<number> {
  if (points.on) yield at.pte(pmdp);
  const pmd = ptepGetAndClear(mm.host, pmdp);
  mm.hugePmds--;
  yield* flushTlbRange(mm, address, (address + HPAGE_PMD_SIZE) as Hva);
  return pmd;
}

/**
 * pmdp_collapse_flush(): the entry points to a table, which nobody finds any more; who has found it sees that once he
 * has its lock (pteMapLock()). Under mm.pageTableLock.
 */
export function* pmdpCollapseFlush(mm: Mm, address: Hva, pmdp: Hpa): Steps {
  mm.hasRetracted = true;
  if (points.on) yield at.pte(pmdp);
  ptepGetAndClear(mm.host, pmdp);
  yield* flushTlbRange(mm, address, (address + HPAGE_PMD_SIZE) as Hva);
}

/** pgtable_trans_huge_deposit(): `table` is zeroed, and counted by mm.pageTables. Under mm.pageTableLock. */
export function depositTable(mm: Mm, table: Pfn): void {
  mm.pageTableLock.assertHeld();
  mm.depositedTables.push(table);
}

/** pgtable_trans_huge_withdraw(): stays counted. Under mm.pageTableLock. */
export function withdrawTable(mm: Mm): Pfn {
  mm.pageTableLock.assertHeld();
  return mm.depositedTables.pop() ?? bug('a huge page without a table to split it into', { mm: mm.id });
}

/** zap_deposited_table(): the huge page goes whole. Under mm.pageTableLock. */
export function* zapDepositedTable(mm: Mm): Steps {
  const table = withdrawTable(mm);
  mm.pageTables--;
  yield* freeKernelPages(mm.host, table, 0);
}
