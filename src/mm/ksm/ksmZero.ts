// Pages of zeros that KSM has replaced by everybody's zero page (mm/ksm.c: use_zero_pages).
//
// ksmScan.ts merges them, if `use_zero_pages` says so, rather than with each other; they are in no tree then, and nothing
// but the entry tells of it: one of the zero page that is dirty. Whoever takes such an entry away, or copies it, counts
// it.
//
// Invariant: ksm.zeroPages, and mm.ksmZeroPages of each process, is the number of these entries. Lock: the page table lock
// of the entry.

import { PTE_D, ptePfn } from '../../hw/sv39/index.ts';
import type { Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { isPresentPte, mkPte, PTE_SPECIAL } from '../pagetable/pte.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';

/** is_ksm_zero_pte(). */
export const isKsmZeroPte = ({ zeroPfn }: Host, pte: number): boolean =>
  isPresentPte(pte) && (pte & PTE_D) !== 0 && ptePfn(pte) === (zeroPfn as Pfn);

/** What KSM puts in place of a page of zeros. */
export const mkKsmZeroPte = (vma: Vma): number => mkPte(vma.mm.host.zeroPfn, vma) | PTE_SPECIAL | PTE_D;

/** ksm_map_zero_page(). */
export function ksmMapZeroPage(mm: Mm): void {
  mm.host.ksm.zeroPages++;
  mm.ksmZeroPages++;
}

/** ksm_might_unmap_zero_page(): `pte` is not there any more. */
export function ksmMightUnmapZeroPage(mm: Mm, pte: number): void {
  if (!isKsmZeroPte(mm.host, pte)) return;
  mm.host.ksm.zeroPages--;
  mm.ksmZeroPages--;
}
