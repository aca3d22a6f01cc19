// mprotect() (mm/mprotect.c).
//
// Order (reference table row 7): mmap_lock for write; per VMA: merge or split, set the flags, then for each part of the
// tables that exists start, change the entries, end; the CPUs are flushed once after all of it.
//
// Locks: mmap_lock for write, the VMAs' locks for write, the page table locks one by one.

import { levelBytes, PTE_W } from '../../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hpa, type Hva, PAGE_SIZE, type Pfn, pageAlignUp, pageOffset } from '../../units.ts';
import type { Host } from '../host.ts';
import {
  isMigrationPte,
  isWritableMigrationPte,
  migrationPfn,
  writeProtectedMigrationPte,
} from '../pagetable/migrationEntry.ts';
import { MmuGather } from '../pagetable/mmuGather.ts';
import { type HugeVisitor, type PteVisitor, walkPtes } from '../pagetable/pagewalk.ts';
import {
  canChangePteWritable,
  findEntry,
  isPresentPte,
  isUffdWp,
  modifyPte,
  normalPfn,
  readPte,
  setPte,
  setUffdWp,
} from '../pagetable/pte.ts';
import { isAnonFolio } from '../rmap/rmapFile.ts';
import { changeHugePmd } from '../thp/hugePmd.ts';
import { chargeCommit, unchargeCommit } from './commit.ts';
import type { Mm } from './mmStruct.ts';
import { populateLocked } from './populate.ts';
import type { Vma } from './vma.ts';
import { vmaModifyFlags } from './vmaMerge.ts';
import {
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_LOCKED,
  VM_MAY_ACCESS,
  VM_NORESERVE,
  VM_SHARED,
  VM_WRITE,
} from './vmFlags.ts';

/**
 * mprotect(2): 0, -EINVAL, -EACCES (the file does not permit it), -ENOMEM (a hole, too many VMAs, or the commit limit).
 */
export function* mprotect(mm: Mm, start: Hva, length: number, prot: number): Steps<number> {
  if (pageOffset(start) !== 0) return -Errno.EINVAL;
  const end = (start + pageAlignUp(length)) as Hva;
  if (length === 0) return 0;
  yield* mm.mmapWriteLock();
  const gather = new MmuGather(mm);
  const error = yield* mprotectRange(gather, start, end, prot & VM_ACCESS_FLAGS);
  yield* gather.finish();
  yield* mm.mmapWriteUnlock();
  return error;
}

/** The loop of do_mprotect_pkey(): VMA by VMA, up to the first hole. */
function* mprotectRange(gather: MmuGather, start: Hva, end: Hva, prot: number): Steps<number> {
  const { mm } = gather;
  let address = start;
  while (address < end) {
    if (points.on) yield at.list(mm.vmas.id);
    const vma = mm.vmas.find(address);
    if (vma === null) return -Errno.ENOMEM;
    const flags = (vma.flags & ~VM_ACCESS_FLAGS) | prot;
    if ((prot & ~((flags & VM_MAY_ACCESS) >> 4)) !== 0) return -Errno.EACCES;
    const changed = yield* mprotectFixup(gather, vma, address, Math.min(vma.end, end) as Hva, flags);
    if (typeof changed === 'number') return changed;
    address = changed.end;
  }
  return 0;
}

/** mprotect_fixup(): the VMA that the range is in afterwards, or -ENOMEM. */
function* mprotectFixup(
  gather: MmuGather,
  vma: Vma,
  start: Hva,
  end: Hva,
  wanted: number,
): Steps<Vma | number> {
  const { mm } = gather;
  const oldFlags = vma.flags;
  if (wanted === oldFlags) return vma;
  const pages = (end - start) / PAGE_SIZE;
  const flags = accountedFlags(vma, wanted);
  const charged = (flags & ~oldFlags & VM_ACCOUNT) !== 0;
  if (charged && !chargeCommit(mm.host, pages)) return -Errno.ENOMEM;
  const changed = yield* vmaModifyFlags(vma, start, end, flags);
  if (typeof changed === 'number') {
    if (charged) unchargeCommit(mm.host, pages);
    return changed;
  }
  yield* mm.host.locks.vmaStartWrite(mm, changed);
  changed.flags = flags;
  yield* changeProtection(gather, changed, start, end);
  if ((oldFlags & ~flags & VM_ACCOUNT) !== 0) unchargeCommit(mm.host, pages);
  // A locked private VMA that becomes writable: break COW now, not at an access that is not expected to wait.
  if ((oldFlags & (VM_WRITE | VM_SHARED | VM_LOCKED)) === VM_LOCKED && (flags & VM_WRITE) !== 0)
    yield* populateLocked(changed, start, end);
  return changed;
}

/** Memory that becomes writable is charged; what never had a page and is read-only need not be. */
function accountedFlags({ flags, file, anonVma }: Vma, wanted: number): number {
  const exempt = VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE;
  if ((wanted & VM_WRITE) !== 0) return (flags & exempt) === 0 ? wanted | VM_ACCOUNT : wanted;
  return file === null && anonVma === null ? wanted & ~VM_ACCOUNT : wanted;
}

/** What becomes of the entries of a range; without `huge` huge pages are split. */
export interface EntryChanges {
  readonly pte: PteVisitor;
  readonly huge: HugeVisitor | null;
}

/** change_protection(), by default to that of the VMA: one start and end for each top-level entry that has a table. */
export function* changeProtection(
  gather: MmuGather,
  vma: Vma,
  start: Hva,
  end: Hva,
  changes: EntryChanges = protectionChanges(gather, vma, null),
): Steps {
  const { mm } = vma;
  const bytes = levelBytes(2);
  for (let address = start; address < end; ) {
    const next = Math.min(end, (Math.floor(address / bytes) + 1) * bytes) as Hva;
    if (points.on) yield at.list(mm.pageTableLock.id);
    if (findEntry(mm, address, 1) !== 0) yield* changePart(vma, address, next, changes);
    address = next;
  }
}

/**
 * To the protection of the VMA. `uffdWp`: whether a userfaultfd is to hear of stores from now on (MM_CP_UFFD_WP, which
 * goes page by page, MM_CP_UFFD_WP_RESOLVE); null: as before.
 */
export const protectionChanges = (gather: MmuGather, vma: Vma, uffdWp: boolean | null): EntryChanges => ({
  pte: (ptep, address) => changePte(gather, vma, address, ptep, uffdWp),
  huge: uffdWp === true ? null : (pmdp, address, next) => changeHugePmd(gather, vma, pmdp, address, next),
});

/** change_pud_range(). */
function* changePart(vma: Vma, start: Hva, end: Hva, changes: EntryChanges): Steps {
  const { mm } = vma;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.PROTECTION_VMA, mm, start, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  yield* walkPtes(vma, start, end, true, changes.pte, changes.huge);
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
}

/** One entry of change_pte_range(). */
function* changePte(gather: MmuGather, vma: Vma, address: Hva, ptep: Hpa, uffdWp: boolean | null): Steps {
  const { host } = vma.mm;
  if (points.on) yield at.pte(ptep);
  const old = readPte(host, ptep);
  if (old === 0) {
    if (uffdWp !== null && vma.file !== null) setUffdWp(host, ptep, 0, uffdWp);
    return;
  }
  if (isMigrationPte(old)) yield* writeProtectMigration(host, ptep, old);
  if (points.on) yield at.pte(ptep);
  if (uffdWp !== null) setUffdWp(host, ptep, readPte(host, ptep), uffdWp);
  if (!isPresentPte(old)) return;
  const exclusive = yield* isAnonExclusive(host, normalPfn(old));
  if (points.on) yield at.pte(ptep);
  // ptep_modify_prot_start(): what the CPU has set meanwhile counts.
  const current = readPte(host, ptep);
  const changed = modifyPte(current, vma);
  const writable = canChangePteWritable(vma, changed, exclusive) && !isUffdWp(host, ptep);
  setPte(host, ptep, writable ? changed | PTE_W : changed);
  gather.noteEntry(address);
}

/** A migration entry is not asked whether it may stay writable: the next store finds out. */
export function* writeProtectMigration(host: Host, ptep: Hpa, pte: number): Steps {
  if (!isWritableMigrationPte(pte)) return;
  const folio = host.frames.folioOf(migrationPfn(pte));
  if (points.on) yield at.page(folio);
  const protectedPte = writeProtectedMigrationPte(pte, isAnonFolio(host, folio));
  if (points.on) yield at.pte(ptep);
  setPte(host, ptep, protectedPte);
}

/** Of can_change_pte_writable(): nobody else may have the page, so a write needs no copy. */
function* isAnonExclusive({ frames }: Host, pfn: number): Steps<boolean> {
  if (pfn === 0) return false;
  const folio = frames.folioOf(pfn as Pfn);
  if (points.on) yield at.page(folio);
  return frames.isAnonExclusive(folio, pfn as Pfn);
}
