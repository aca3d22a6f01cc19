// fork() of an address space (kernel/fork.c: dup_mmap; mm/memory.c: copy_page_range).
//
// The child gets copies of the VMAs, and of the page table entries of those that have anonymous pages; what it could
// fault in from a file it faults in. Pages are shared read-only, and copied by whoever writes first (copyOnWrite.ts).
//
// Order (reference table row 13): both mmap_locks for write; per VMA: start on the parent; copy and write-protect under
// both page table locks; end. The parent's CPUs are flushed once, after all VMAs and before its mmap_lock is dropped.
// The child has no notifiers.

import { PTE_A, PTE_BYTES, PTE_D, PTE_W } from '../../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { bug, Errno, type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import { vmaLinkFile } from '../filemap/addressSpace.ts';
import { ksmFork } from '../ksm/ksmMadvise.ts';
import { isKsmZeroPte, ksmMapZeroPage } from '../ksm/ksmZero.ts';
import { folioPut } from '../page/folio.ts';
import { PG_uptodate } from '../page/frames.ts';
import { allocAnonPage } from '../page/pageAlloc.ts';
import {
  isMigrationPte,
  isReadableMigrationPte,
  migrationPfn,
  sharedMigrationPte,
} from '../pagetable/migrationEntry.ts';
import { allocPte } from '../pagetable/pageTable.ts';
import { walkPageRange } from '../pagetable/pagewalk.ts';
import {
  isPresentPte,
  maybeMkWrite,
  mkPte,
  normalPfn,
  ptlOf,
  readPte,
  setPte,
  sharedSwapPte,
  swapPteSlot,
} from '../pagetable/pte.ts';
import { flushTlbMm } from '../pagetable/tlbFlush.ts';
import { folioAddLruVma } from '../reclaim/mlockFolio.ts';
import { anonVmaFork } from '../rmap/anonVma.ts';
import { addNewAnonRmap, dupRmap } from '../rmap/rmap.ts';
import { countMapped } from '../rmap/rmapFile.ts';
import { swapDuplicate } from '../swap/swapCache.ts';
import { copyHugePmd } from '../thp/hugePmd.ts';
import { khugepagedFork } from '../thp/khugepaged.ts';
import { chargeCommit } from './commit.ts';
import { exitMm } from './exit.ts';
import type { Mm } from './mmStruct.ts';
import type { Vma } from './vma.ts';
import { vmAreaDup } from './vmaEdit.ts';
import {
  isCowMapping,
  VM_ACCOUNT,
  VM_DONTCOPY,
  VM_LOCKED_MASK,
  VM_SHARED,
  VM_WIPEONFORK,
} from './vmFlags.ts';

/** fork(): the child's address space, or -ENOMEM. */
export function* fork(parent: Mm): Steps<Mm | number> {
  const { host } = parent;
  const child = yield* host.createMm();
  if (child === null) return -Errno.ENOMEM;
  child.memcg = parent.memcg;
  yield* parent.mmapWriteLock();
  yield* child.mmapWriteLock();
  const error = yield* dupMmap(parent, child);
  yield* child.mmapWriteUnlock();
  yield* flushTlbMm(parent);
  yield* parent.mmapWriteUnlock();
  if (error === 0) return child;
  yield* exitMm(child);
  return error;
}

/** dup_mmap(). */
function* dupMmap(parent: Mm, child: Mm): Steps<number> {
  const { locks } = parent.host;
  Object.assign(child.limits, parent.limits);
  yield* ksmFork(child, parent);
  yield* khugepagedFork(child, parent);
  if (points.on) yield at.list(parent.vmas.id);
  for (const vma of [...parent.vmas.all]) {
    yield* locks.vmaStartWrite(parent, vma);
    if ((vma.flags & VM_DONTCOPY) !== 0) continue;
    const error = yield* dupVma(vma, child);
    if (error !== 0) return error;
  }
  return 0;
}

function* dupVma(vma: Vma, child: Mm): Steps<number> {
  const { host } = child;
  if ((vma.flags & VM_ACCOUNT) !== 0 && !chargeCommit(host, vma.pages)) return -Errno.ENOMEM;
  const copy = vmAreaDup(vma, child, vma.start, vma.end, vma.pgoff);
  copy.flags &= ~VM_LOCKED_MASK;
  const wiped = (vma.flags & VM_WIPEONFORK) !== 0;
  if (!wiped) yield* anonVmaFork(host, copy, vma);
  if (points.on) yield at.list(child.vmas.id);
  child.vmas.insert(copy);
  child.totalVm += copy.pages;
  yield* vmaLinkFile(copy);
  return wiped ? 0 : yield* copyPageRange(copy, vma);
}

/** copy_page_range(). */
function* copyPageRange(copy: Vma, vma: Vma): Steps<number> {
  // vma_needs_copy(): without anonymous pages everything can be faulted in again.
  if (vma.anonVma === null) return 0;
  const { mm, start, end } = vma;
  const range = isCowMapping(vma.flags)
    ? mmuNotifierRangeInit(MmuNotifyEvent.PROTECTION_PAGE, mm, start, end)
    : null;
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  const copying: Copying = { copy, vma, error: 0 };
  yield* walkPageRange(
    vma,
    start,
    end,
    (ptep, first, last) => copyTable(copying, ptep, first, last),
    (pmdp, first, last) => copyPmd(copying, pmdp, first, last),
  );
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  return copying.error;
}

/** After an error nothing more is copied. */
interface Copying {
  readonly copy: Vma;
  readonly vma: Vma;
  error: number;
}

function* copyTable(copying: Copying, ptep: Hpa, first: Hva, last: Hva): Steps {
  const { copy, vma, error } = copying;
  if (error !== 0) return;
  const target = yield* allocPte(copy.mm, first);
  const pages = (last - first) / PAGE_SIZE;
  copying.error = target === 0 ? -Errno.ENOMEM : yield* copyPteRange(copy, vma, ptep, target, pages);
}

function* copyPmd(copying: Copying, pmdp: Hpa, first: Hva, last: Hva): Steps<boolean> {
  const { copy, vma, error } = copying;
  if (error !== 0) return true;
  const copied = yield* copyHugePmd(copy, vma, pmdp, first, last);
  if (typeof copied === 'boolean') return copied;
  copying.error = copied;
  return true;
}

/** copy_pte_range(): `pages` entries of one table. 0 or -ENOMEM. */
function* copyPteRange(copy: Vma, vma: Vma, from: Hpa, to: Hpa, pages: number): Steps<number> {
  const { host } = vma.mm;
  const toPtl = ptlOf(host, to);
  const fromPtl = ptlOf(host, from);
  for (let next = 0; next < pages; ) {
    yield* toPtl.lock();
    yield* fromPtl.lock();
    while (next < pages) {
      const source = (from + next * PTE_BYTES) as Hpa;
      if (yield* mustCopyNow(vma, source)) break;
      yield* copyPte(copy, vma, source, (to + next * PTE_BYTES) as Hpa);
      next++;
    }
    yield* fromPtl.unlock();
    yield* toPtl.unlock();
    if (next === pages) break;
    const copied = yield* copyPinned(
      copy,
      vma,
      (from + next * PTE_BYTES) as Hpa,
      (to + next * PTE_BYTES) as Hpa,
    );
    if (copied < 0) return copied;
    next += copied;
  }
  return 0;
}

/** One entry that child and parent can share. */
function* copyPte(copy: Vma, vma: Vma, source: Hpa, target: Hpa): Steps {
  const { host } = vma.mm;
  if (points.on) yield at.pte(source);
  const pte = readPte(host, source);
  if (pte === 0) return;
  const copied = isPresentPte(pte)
    ? yield* copyPresentPte(copy, vma, source, pte)
    : isMigrationPte(pte)
      ? yield* copyMigrationPte(copy, vma, source, pte)
      : yield* copySwapPte(copy, source, pte);
  if (points.on) yield at.pte(target);
  setPte(host, target, copied);
}

/** folio_needs_cow_for_dma(): the page is the parent's alone and pinned: it must stay what the pin's holder sees. */
function* mustCopyNow(vma: Vma, source: Hpa): Steps<boolean> {
  const { host, hasPinned } = vma.mm;
  if (!hasPinned || !isCowMapping(vma.flags)) return false;
  if (points.on) yield at.pte(source);
  const pte = readPte(host, source);
  const pfn = (isPresentPte(pte) ? normalPfn(pte) : 0) as Pfn | 0;
  if (pfn === 0) return false;
  const folio = host.frames.folioOf(pfn);
  if (points.on) yield at.page(folio);
  return host.frames.isAnonExclusive(folio, pfn) && host.frames.isMaybePinned(folio);
}

/** copy_present_page(), with the page allocated before the locks are taken again: 1 copied, 0 look again, -ENOMEM. */
function* copyPinned(copy: Vma, vma: Vma, source: Hpa, target: Hpa): Steps<number> {
  const { host } = vma.mm;
  const pfn = yield* allocAnonPage(host, copy.mm);
  if (pfn === null) return -Errno.ENOMEM;
  const toPtl = ptlOf(host, target);
  const fromPtl = ptlOf(host, source);
  yield* toPtl.lock();
  yield* fromPtl.lock();
  const stillNeeded = yield* mustCopyNow(vma, source);
  if (stillNeeded) {
    if (points.on) yield at.pte(source);
    const old = normalPfn(readPte(host, source)) as Pfn;
    if (points.on) yield at.page(old);
    host.memory.copyFrame(pfn, old);
    yield* mapCopy(copy, pfn, target, old);
  }
  yield* fromPtl.unlock();
  yield* toPtl.unlock();
  if (!stillNeeded) yield* folioPut(host, pfn);
  return Number(stillNeeded);
}

/** The child's own page, at the index that `old` has. */
function* mapCopy(copy: Vma, pfn: Pfn, target: Hpa, old: Pfn): Steps {
  const { host } = copy.mm;
  const folio = host.frames.folioOf(old);
  if (points.on) yield at.page(folio);
  const index = host.frames.index[folio]! + (old - folio);
  const address = copy.addressOf(index) ?? bug('a pinned page outside of its VMA', { pfn });
  if (points.on) yield at.page(pfn);
  host.frames.set(pfn, PG_uptodate);
  copy.mm.anonPages++;
  if (points.on) yield at.page(pfn);
  addNewAnonRmap(copy, pfn, address, true);
  yield* folioAddLruVma(copy, pfn);
  if (points.on) yield at.pte(target);
  setPte(host, target, maybeMkWrite(mkPte(pfn, copy), copy));
}

/** copy_present_ptes(): the child's entry. */
function* copyPresentPte(copy: Vma, vma: Vma, source: Hpa, found: number): Steps<number> {
  const { host } = vma.mm;
  const pfn = normalPfn(found) as Pfn | 0;
  if (pfn !== 0) {
    const folio = host.frames.folioOf(pfn);
    if (points.on) yield at.page(folio);
    host.frames.get(folio);
    yield* dupRmap(copy, pfn);
  } else if (isKsmZeroPte(host, found)) ksmMapZeroPage(copy.mm);
  if (points.on) yield at.pte(source);
  let pte = readPte(host, source);
  if (isCowMapping(vma.flags) && (pte & PTE_W) !== 0) {
    pte &= ~PTE_W;
    setPte(host, source, pte);
  }
  if ((vma.flags & VM_SHARED) !== 0) pte &= ~PTE_D;
  return pte & ~PTE_A;
}

/**
 * copy_nonpresent_pte() of a migration entry: the page is nobody's alone any more. Who moves it looks at the child's VMA
 * after the parent's, so neither entry is forgotten.
 */
function* copyMigrationPte(copy: Vma, vma: Vma, source: Hpa, pte: number): Steps<number> {
  const { host } = copy.mm;
  const folio = host.frames.folioOf(migrationPfn(pte));
  if (points.on) yield at.page(folio);
  countMapped(copy.mm, folio, 1);
  if (isReadableMigrationPte(pte) || !isCowMapping(vma.flags)) return pte;
  const shared = sharedMigrationPte(pte);
  if (points.on) yield at.pte(source);
  setPte(host, source, shared);
  return shared;
}

/** copy_nonpresent_pte() of a swap entry: nobody's alone any more. */
function* copySwapPte(copy: Vma, source: Hpa, pte: number): Steps<number> {
  const { host } = copy.mm;
  const slot = swapPteSlot(pte);
  yield* swapDuplicate(host, slot);
  copy.mm.swapEntries++;
  const shared = sharedSwapPte(pte);
  if (points.on) yield at.pte(source);
  setPte(host, source, shared);
  return shared;
}
