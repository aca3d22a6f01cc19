// What operations on a range do to a huge page that lies in it whole: zap, copy, change, move its one entry
// (mm/huge_memory.c). Where it lies in the range in part, it is split (splitPmd.ts), and they go on page by page.
//
// Each answers false when the caller must look at the entry again: it is a table now, or gone.
//
// Locks: as the operation; then mm.pageTableLock.

import { PTE_A, PTE_D, PTE_W, ptePfn } from '../../hw/sv39/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hpa, type Hva, type Pfn } from '../../units.ts';
import { folioMarkAccessed, folioMarkDirty } from '../page/folio.ts';
import { freeKernelPages } from '../page/kernelPages.ts';
import { HPAGE_PMD_SIZE } from '../page/largeFolio.ts';
import { allocKernelPages } from '../page/pageAlloc.ts';
import type { MmuGather } from '../pagetable/mmuGather.ts';
import { allocPmd } from '../pagetable/pageTable.ts';
import {
  depositTable,
  isHugeZeroPmd,
  pmdpInvalidate,
  pmdTransHugeLock,
  zapDepositedTable,
} from '../pagetable/pmd.ts';
import {
  clearedSoftDirty,
  isProtNone,
  mkSoftDirty,
  modifyPte,
  needsSoftDirtyWp,
  ptepGetAndClear,
  readPte,
  setPte,
} from '../pagetable/pte.ts';
import { flushTlbRange } from '../pagetable/tlbFlush.ts';
import { dupHugeRmap, removeHugeRmap } from '../rmap/hugeRmap.ts';
import { isAnonFolio } from '../rmap/rmapFile.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_RAND_READ, VM_SEQ_READ, VM_WRITE } from '../vma/vmFlags.ts';
import { splitHugePmd } from './splitPmd.ts';

/** Whether [address, end), which lies in one entry, is all of it. */
const isWhole = (address: Hva, end: Hva): boolean => end - address === HPAGE_PMD_SIZE;

/** zap_huge_pmd(). */
export function* zapHugePmd(gather: MmuGather, vma: Vma, pmdp: Hpa, address: Hva, end: Hva): Steps<boolean> {
  const { mm } = vma;
  const { host } = mm;
  if (!isWhole(address, end)) {
    yield* splitHugePmd(vma, pmdp, address);
    return false;
  }
  if (!(yield* pmdTransHugeLock(mm, pmdp))) return false;
  if (points.on) yield at.pte(pmdp);
  const pmd = ptepGetAndClear(host, pmdp);
  mm.hugePmds--;
  gather.noteRange(address, end);
  if (isHugeZeroPmd(pmd)) {
    yield* zapDepositedTable(mm);
    yield* mm.pageTableLock.unlock();
    return true;
  }
  const folio = ptePfn(pmd);
  if (points.on) yield at.page(folio);
  const isAnon = isAnonFolio(host, folio);
  yield* removeHugeRmap(vma, folio);
  if (isAnon) yield* zapDepositedTable(mm);
  else {
    if (points.on) yield at.page(folio);
    if ((pmd & PTE_D) !== 0) folioMarkDirty(host, folio);
    // vma_has_recency().
    if ((pmd & PTE_A) !== 0 && (vma.flags & (VM_SEQ_READ | VM_RAND_READ)) === 0)
      folioMarkAccessed(host, folio);
  }
  yield* mm.pageTableLock.unlock();
  if (gather.addFolio(folio)) yield* gather.flush();
  return true;
}

/** copy_huge_pmd(): true, -ENOMEM, or false: copy page by page. Both mmap_locks are held for write. */
export function* copyHugePmd(
  copy: Vma,
  vma: Vma,
  pmdp: Hpa,
  address: Hva,
  end: Hva,
): Steps<boolean | number> {
  const { host } = vma.mm;
  // Can be filled by faults again.
  if (vma.file !== null) return true;
  if (!isWhole(address, end)) {
    yield* splitHugePmd(vma, pmdp, address);
    return false;
  }
  const target = yield* allocPmd(copy.mm, address);
  const table = target === 0 ? null : yield* allocKernelPages(host, 0, 'pageTable');
  if (table === null) return -Errno.ENOMEM;
  yield* copy.mm.pageTableLock.lock();
  let copied = false;
  if (yield* pmdTransHugeLock(vma.mm, pmdp)) {
    copied = yield* copyLocked(copy, vma, pmdp, target, table);
    yield* vma.mm.pageTableLock.unlock();
  }
  yield* copy.mm.pageTableLock.unlock();
  if (copied) return true;
  yield* freeKernelPages(host, table, 0);
  // Perhaps it is pinned: whoever has it pinned keeps his page, the child gets a copy of that alone.
  yield* splitHugePmd(vma, pmdp, address);
  return false;
}

function* copyLocked(copy: Vma, vma: Vma, from: Hpa, to: Hpa, table: Pfn): Steps<boolean> {
  const { mm } = vma;
  const { host } = mm;
  const { frames } = host;
  if (points.on) yield at.pte(from);
  const source = readPte(host, from);
  const folio = ptePfn(source);
  if (points.on) yield at.page(folio);
  if (mm.hasPinned && frames.isAnonExclusive(folio, folio) && frames.isMaybePinned(folio)) return false;
  if (!isHugeZeroPmd(source)) {
    frames.get(folio);
    yield* dupHugeRmap(copy.mm, folio);
  } else if (!copy.mm.hasHugeZero) {
    frames.get(folio);
    copy.mm.hasHugeZero = true;
  }
  depositTable(copy.mm, table);
  copy.mm.pageTables++;
  if (points.on) yield at.pte(from);
  const pmd = readPte(host, from) & ~PTE_W;
  setPte(host, from, pmd);
  if (points.on) yield at.pte(to);
  setPte(host, to, pmd & ~PTE_A);
  copy.mm.hugePmds++;
  return true;
}

/** change_huge_pmd(). */
export function* changeHugePmd(
  gather: MmuGather,
  vma: Vma,
  pmdp: Hpa,
  address: Hva,
  end: Hva,
): Steps<boolean> {
  const { mm } = vma;
  const { host } = mm;
  if (!isWhole(address, end)) {
    yield* splitHugePmd(vma, pmdp, address);
    return false;
  }
  if (!(yield* pmdTransHugeLock(mm, pmdp))) return false;
  const old = yield* pmdpInvalidate(mm, address, pmdp);
  const folio = ptePfn(old);
  if (points.on) yield at.page(folio);
  const exclusive = isAnonFolio(host, folio) && host.frames.isAnonExclusive(folio, folio);
  const changed = modifyPte(old, vma);
  const isWritable = (vma.flags & VM_WRITE) !== 0 && !isProtNone(changed) && !needsSoftDirtyWp(vma, changed);
  if (points.on) yield at.pte(pmdp);
  setPte(host, pmdp, isWritable && exclusive ? changed | PTE_W : changed);
  gather.noteRange(address, end);
  yield* mm.pageTableLock.unlock();
  return true;
}

/** move_huge_pmd(): all 2 MiB, from `source` to `target`, both aligned. False: the entry there is taken, or gone here. */
export function* moveHugePmd({ mm }: Vma, pmdp: Hpa, source: Hva, target: Hva): Steps<boolean> {
  const { host } = mm;
  const to = yield* allocPmd(mm, target);
  if (to === 0) return false;
  if (points.on) yield at.pte(to);
  if (readPte(host, to) !== 0 || !(yield* pmdTransHugeLock(mm, pmdp))) return false;
  if (points.on) yield at.pte(pmdp);
  const pmd = ptepGetAndClear(host, pmdp);
  if (points.on) yield at.pte(to);
  setPte(host, to, mkSoftDirty(pmd));
  yield* flushTlbRange(mm, source, (source + HPAGE_PMD_SIZE) as Hva);
  yield* mm.pageTableLock.unlock();
  return true;
}

/** clear_soft_dirty_pmd(). */
export function* clearSoftDirtyPmd(vma: Vma, pmdp: Hpa, address: Hva): Steps<boolean> {
  const { mm } = vma;
  if (!(yield* pmdTransHugeLock(mm, pmdp))) return false;
  const old = yield* pmdpInvalidate(mm, address, pmdp);
  if (points.on) yield at.pte(pmdp);
  setPte(mm.host, pmdp, clearedSoftDirty(old));
  yield* mm.pageTableLock.unlock();
  return true;
}
