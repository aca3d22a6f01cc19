// Splitting the mapping of a huge page: one entry of 2 MiB becomes a table of 512 entries for the same pages, and the
// folio stays as it is (mm/huge_memory.c: __split_huge_pmd).
//
// Whoever works on a part of a huge page comes here first; splitting the folio (splitFolio.ts) does as well. Of a file
// the entry is dropped instead: its pages can be faulted in again.
//
// Order (reference table row 16): start (CLEAR, the 2 MiB); pmd lock; anonymous: entry invalid, CPUs and secondary TLBs
// flushed, deposited table filled and hooked in; file: entry cleared and flushed; unlock; end.
// Locks: mmap_lock or the VMA's or an rmap lock, by the caller, so that the table stays; mm.pageTableLock.

import { makePte, PTE_A, PTE_BYTES, PTE_D, PTE_V, PTE_W, ptePfn } from '../../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { bug, type Hpa, type Hva, type Pfn, pfnToHpa } from '../../units.ts';
import { folioMarkDirty, folioPut } from '../page/folio.ts';
import { PG_dirty, PG_referenced } from '../page/frames.ts';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, hugeAlignDown } from '../page/largeFolio.ts';
import { makeMigrationPte } from '../pagetable/migrationEntry.ts';
import {
  findHugePmd,
  isHugePmd,
  isHugeZeroPmd,
  pmdpHugeClearFlush,
  pmdpInvalidate,
  withdrawTable,
} from '../pagetable/pmd.ts';
import { mkPte, PTE_SOFT_DIRTY, PTE_SPECIAL, readPte, setPte } from '../pagetable/pte.ts';
import { folioRemoveHugeRmap, removeHugeRmap, spreadHugeRmap } from '../rmap/hugeRmap.ts';
import { tryShareAnonRmap } from '../rmap/rmap.ts';
import type { Vma } from '../vma/vma.ts';

/** __split_huge_pmd(): nothing where the entry does not map a huge page (any more). */
export function* splitHugePmd(vma: Vma, pmdp: Hpa, address: Hva): Steps {
  const { mm } = vma;
  const start = hugeAlignDown(address) as Hva;
  const end = (start + HPAGE_PMD_SIZE) as Hva;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, start, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  yield* mm.pageTableLock.lock();
  yield* splitHugePmdLocked(vma, pmdp, start, false);
  yield* mm.pageTableLock.unlock();
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
}

/** split_huge_pmd_if_needed(): `address` is about to become a bound of `vma`. */
export function* splitHugePmdIfNeeded(vma: Vma, address: Hva): Steps {
  const { mm } = vma;
  const start = hugeAlignDown(address) as Hva;
  if (start === address || start < vma.start || start + HPAGE_PMD_SIZE > vma.end) return;
  if (points.on) yield at.list(mm.pageTableLock.id);
  const pmdp = findHugePmd(mm, address);
  if (pmdp !== 0) yield* splitHugePmd(vma, pmdp, address);
}

/**
 * split_huge_pmd_locked(): between start and end, under mm.pageTableLock. `freeze`: the folio is to be split too, so that
 * its pages get migration entries at once, unless they may be pinned.
 */
export function* splitHugePmdLocked(vma: Vma, pmdp: Hpa, start: Hva, freeze: boolean): Steps {
  const { host } = vma.mm;
  if (points.on) yield at.pte(pmdp);
  if (!isHugePmd(readPte(host, pmdp))) return;
  host.vmstat.thp_split_pmd++;
  if (vma.file !== null) yield* dropFilePmd(vma, pmdp, start);
  else if (isHugeZeroPmd(readPte(host, pmdp))) yield* refillWithZeros(vma, pmdp, start);
  else yield* refill(vma, pmdp, start, freeze);
}

/**
 * An entry that maps a large folio (mappedWalk.ts) whose pages are taken out one by one: of 2 MiB it is split
 * (TTU_SPLIT_HUGE_PMD), so that its pages are met next; of a page it is for `take`. True: it has to stay.
 */
export function* splitOrTake(
  vma: Vma,
  entryp: Hpa,
  address: Hva,
  level: 0 | 1,
  freeze: boolean,
  take: (page: Pfn) => Steps<boolean>,
): Steps<boolean> {
  if (level === 1) {
    yield* splitHugePmdLocked(vma, entryp, address, freeze);
    return false;
  }
  if (points.on) yield at.pte(entryp);
  return !(yield* take(ptePfn(readPte(vma.mm.host, entryp))));
}

/** __split_huge_zero_page_pmd(). */
function* refillWithZeros(vma: Vma, pmdp: Hpa, start: Hva): Steps {
  const { mm } = vma;
  const { host } = mm;
  yield* pmdpHugeClearFlush(mm, start, pmdp);
  const table = withdrawTable(mm);
  for (let i = 0; i < HPAGE_PMD_NR; i++) {
    const ptep = (pfnToHpa(table) + i * PTE_BYTES) as Hpa;
    if (points.on) yield at.pte(ptep);
    setPte(host, ptep, mkPte(host.zeroPfn, vma) | PTE_SPECIAL);
  }
  if (points.on) yield at.pte(pmdp);
  setPte(host, pmdp, makePte(table, PTE_V));
}

/** Of a file: what the entry knew goes to the folio. */
function* dropFilePmd(vma: Vma, pmdp: Hpa, start: Hva): Steps {
  const { mm } = vma;
  const { host } = mm;
  const pmd = yield* pmdpHugeClearFlush(mm, start, pmdp);
  const folio = ptePfn(pmd);
  if (points.on) yield at.page(folio);
  if ((pmd & PTE_D) !== 0 && !host.frames.test(folio, PG_dirty)) folioMarkDirty(host, folio);
  if ((pmd & PTE_A) !== 0) host.frames.set(folio, PG_referenced);
  yield* removeHugeRmap(vma, folio);
  yield* folioPut(host, folio);
}

/** __split_huge_pmd_locked() of anonymous memory. */
function* refill(vma: Vma, pmdp: Hpa, start: Hva, freeze: boolean): Steps {
  const { mm } = vma;
  const { host } = mm;
  // If CPUs could still use the entry of 2 MiB while they find entries of 4 KiB, they might have both in their TLBs.
  const pmd = yield* pmdpInvalidate(mm, start, pmdp);
  const folio = ptePfn(pmd);
  if ((pmd & PTE_D) !== 0) {
    if (points.on) yield at.page(folio);
    host.frames.set(folio, PG_dirty);
  }
  if (points.on) yield at.page(folio);
  const exclusive = host.frames.isAnonExclusive(folio, folio);
  const freezes = freeze && (!exclusive || (yield* tryShareAnonRmap(host, folio)));
  if (!freezes) yield* spreadHugeRmap(vma, folio);
  const table = withdrawTable(mm);
  for (let i = 0; i < HPAGE_PMD_NR; i++) {
    const ptep = (pfnToHpa(table) + i * PTE_BYTES) as Hpa;
    const page = (folio + i) as Pfn;
    const entry = freezes ? makeMigrationPte(page, pmd, exclusive) : pteOfSplit(pmd, page, vma);
    if (points.on) yield at.pte(ptep);
    setPte(host, ptep, entry);
  }
  if (freezes) yield* folioRemoveHugeRmap(vma, folio);
  if (points.on) yield at.page(folio);
  if (freezes && host.frames.putTestZero(folio)) bug('folio freed while it was being split', { folio });
  if (points.on) yield at.pte(pmdp);
  setPte(host, pmdp, makePte(table, PTE_V));
  mm.hugePmds--;
}

function pteOfSplit(pmd: number, page: Pfn, vma: Vma): number {
  const entry = mkPte(page, vma) | (pmd & (PTE_W | PTE_D | PTE_SOFT_DIRTY));
  return (pmd & PTE_A) !== 0 ? entry : entry & ~PTE_A;
}
