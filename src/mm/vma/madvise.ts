// madvise() (mm/madvise.c): a process tells what it will do with memory, or no longer needs.
//
// Some advice changes the VMA's flags (merging and splitting it), some changes pages at once (madvisePages.ts), some
// faults pages in (populate.ts).
//
// Locks: mmap_lock for write where flags change, else for read; MADV_DONTNEED and MADV_FREE only the VMA's lock if the
// range lies in one VMA, which no userfaultfd has.

import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hva, pageAlignUp, pageOffset } from '../../units.ts';
import { madviseRemove, madviseWillneedFile } from '../filemap/fileMadvise.ts';
import { ksmMergeable, ksmUnmerge } from '../ksm/ksmMadvise.ts';
import { MmuGather } from '../pagetable/mmuGather.ts';
import { madviseCollapse } from '../thp/collapse.ts';
import { khugepagedEnterVma } from '../thp/khugepaged.ts';
import { coldOrPageout, dontneed, free, willneedSwapped } from './madvisePages.ts';
import type { Mm } from './mmStruct.ts';
import { faultInRange } from './populate.ts';
import type { Vma } from './vma.ts';
import { lockVmaUnderRcu } from './vmaLock.ts';
import { vmaModifyFlags } from './vmaMerge.ts';
import {
  VM_DONTCOPY,
  VM_HUGEPAGE,
  VM_LOCKED,
  VM_MERGEABLE,
  VM_NOHUGEPAGE,
  VM_RAND_READ,
  VM_SEQ_READ,
  VM_SHARED,
  VM_WIPEONFORK,
} from './vmFlags.ts';

/** Advice (include/uapi/asm-generic/mman-common.h). */
export const MADV_NORMAL = 0;
export const MADV_RANDOM = 1;
export const MADV_SEQUENTIAL = 2;
export const MADV_WILLNEED = 3;
export const MADV_DONTNEED = 4;
export const MADV_FREE = 8;
export const MADV_REMOVE = 9;
export const MADV_DONTFORK = 10;
export const MADV_DOFORK = 11;
export const MADV_MERGEABLE = 12;
export const MADV_UNMERGEABLE = 13;
export const MADV_HUGEPAGE = 14;
export const MADV_NOHUGEPAGE = 15;
export const MADV_WIPEONFORK = 18;
export const MADV_KEEPONFORK = 19;
export const MADV_COLD = 20;
export const MADV_PAGEOUT = 21;
export const MADV_POPULATE_READ = 22;
export const MADV_POPULATE_WRITE = 23;
export const MADV_DONTNEED_LOCKED = 24;
export const MADV_COLLAPSE = 25;

/** Advice that sets and clears vm_flags. */
const FLAG_ADVICE: Readonly<Record<number, { readonly set: number; readonly clear: number }>> = {
  [MADV_NORMAL]: { set: 0, clear: VM_RAND_READ | VM_SEQ_READ },
  [MADV_RANDOM]: { set: VM_RAND_READ, clear: VM_SEQ_READ },
  [MADV_SEQUENTIAL]: { set: VM_SEQ_READ, clear: VM_RAND_READ },
  [MADV_DONTFORK]: { set: VM_DONTCOPY, clear: 0 },
  [MADV_DOFORK]: { set: 0, clear: VM_DONTCOPY },
  [MADV_MERGEABLE]: { set: VM_MERGEABLE, clear: 0 },
  [MADV_UNMERGEABLE]: { set: 0, clear: VM_MERGEABLE },
  [MADV_HUGEPAGE]: { set: VM_HUGEPAGE, clear: VM_NOHUGEPAGE },
  [MADV_NOHUGEPAGE]: { set: VM_NOHUGEPAGE, clear: VM_HUGEPAGE },
  [MADV_WIPEONFORK]: { set: VM_WIPEONFORK, clear: 0 },
  [MADV_KEEPONFORK]: { set: 0, clear: VM_WIPEONFORK },
};

/** What is done to one VMA's part of the range: 0 or -errno. */
type Advise = (vma: Vma, start: Hva, end: Hva) => Steps<number>;

/** Advice that does something to pages; mmap_lock may be dropped meanwhile. */
const PAGE_ADVICE: Readonly<Record<number, Advise>> = {
  [MADV_WILLNEED]: (vma, start, end) =>
    vma.file === null ? willneedSwapped(vma, start, end) : madviseWillneedFile(vma, start, end),
  [MADV_REMOVE]: madviseRemove,
  [MADV_COLLAPSE]: madviseCollapse,
  [MADV_COLD]: (vma, start, end) => ageUnlocked(vma, start, end, false),
  [MADV_PAGEOUT]: (vma, start, end) => ageUnlocked(vma, start, end, true),
};

/** Advice that gives pages up: one flush for all VMAs. 0 or -EINVAL. */
const ZAP_ADVICE: Readonly<Record<number, (gather: MmuGather) => Advise>> = {
  [MADV_DONTNEED]: (gather) => (vma, start, end) =>
    (vma.flags & VM_LOCKED) !== 0 ? refuse() : dontneed(gather, vma, start, end),
  [MADV_DONTNEED_LOCKED]: (gather) => (vma, start, end) => dontneed(gather, vma, start, end),
  [MADV_FREE]: (gather) => (vma, start, end) =>
    (vma.flags & VM_LOCKED) !== 0 || vma.file !== null ? refuse() : free(gather, vma, start, end),
};

/**
 * madvise(2): 0, -EINVAL (alignment, advice, or a VMA that it does not fit), -ENOMEM (holes in the range: what is
 * mapped was still advised), -EFAULT (populating met SIGBUS), -EAGAIN (too many VMAs, or a page is in use that was to be
 * collapsed), -EACCES (removing from a private mapping).
 */
export function* madvise(mm: Mm, start: Hva, length: number, advice: number): Steps<number> {
  if (pageOffset(start) !== 0 || length < 0) return -Errno.EINVAL;
  const end = (start + pageAlignUp(length)) as Hva;
  const flagAdvice = FLAG_ADVICE[advice];
  const pageAdvice = PAGE_ADVICE[advice];
  const zapAdvice = ZAP_ADVICE[advice];
  const populates = advice === MADV_POPULATE_READ || advice === MADV_POPULATE_WRITE;
  if (!(flagAdvice ?? pageAdvice ?? zapAdvice ?? populates)) return -Errno.EINVAL;
  if (start === end) return 0;
  if (populates) return yield* faultInRange(mm, start, end, advice === MADV_POPULATE_WRITE);
  if (flagAdvice !== undefined) return yield* adviseFlags(mm, start, end, flagAdvice);
  if (zapAdvice !== undefined) return yield* adviseZap(mm, start, end, zapAdvice);
  return yield* advisePages(mm, start, end, pageAdvice!);
}

function* adviseFlags(
  mm: Mm,
  start: Hva,
  end: Hva,
  { set, clear }: { readonly set: number; readonly clear: number },
): Steps<number> {
  yield* mm.mmapWriteLock();
  const error = yield* madviseWalkVmas(mm, start, end, (vma, from, to) =>
    updateVma(vma, from, to, set, clear),
  );
  yield* mm.mmapWriteUnlock();
  return error;
}

/** madvise_update_vma(). */
function* updateVma(vma: Vma, start: Hva, end: Hva, set: number, clear: number): Steps<number> {
  if (set === VM_WIPEONFORK && (vma.file !== null || (vma.flags & VM_SHARED) !== 0)) return -Errno.EINVAL;
  // ksm_madvise().
  if (set === VM_MERGEABLE && !(yield* ksmMergeable(vma))) return 0;
  if (clear === VM_MERGEABLE && (yield* ksmUnmerge(vma, start, end)) !== 0) return -Errno.EAGAIN;
  const flags = (vma.flags & ~clear) | set;
  // hugepage_madvise().
  if (set === VM_HUGEPAGE) yield* khugepagedEnterVma(vma, flags);
  if (flags === vma.flags) return 0;
  const changed = yield* vmaModifyFlags(vma, start, end, flags);
  // Too many VMAs: perhaps later.
  if (typeof changed === 'number') return -Errno.EAGAIN;
  yield* vma.mm.host.locks.vmaStartWrite(vma.mm, changed);
  changed.flags = flags;
  return 0;
}

/** madvise_init_tlb() to madvise_finish_tlb(). */
function* adviseZap(mm: Mm, start: Hva, end: Hva, adviseWith: (gather: MmuGather) => Advise): Steps<number> {
  const gather = new MmuGather(mm);
  const advise = adviseWith(gather);
  // try_vma_read_lock().
  const vma = yield* lockVmaUnderRcu(mm, start);
  const isWhole = vma !== null && end <= vma.end && vma.userfaultfd === null;
  let error = isWhole ? yield* advise(vma, start, end) : 0;
  if (vma !== null) yield* mm.host.locks.vmaEndRead(vma);
  if (!isWhole) error = yield* advisePages(mm, start, end, advise);
  yield* gather.finish();
  return error;
}

function* advisePages(mm: Mm, start: Hva, end: Hva, advise: Advise): Steps<number> {
  const { locks } = mm.host;
  yield* locks.mmapReadLock(mm);
  const error = yield* madviseWalkVmas(mm, start, end, advise);
  yield* locks.mmapReadUnlock(mm);
  return error;
}

/** madvise_walk_vmas(): every VMA of the range up to the first error; holes are passed over, and remembered. */
function* madviseWalkVmas(mm: Mm, start: Hva, end: Hva, visit: Advise): Steps<number> {
  let holes = false;
  let address = start;
  while (address < end) {
    if (points.on) yield at.list(mm.vmas.id);
    const vma = mm.vmas.findFrom(address);
    if (vma === null) return -Errno.ENOMEM;
    if (vma.start > address) holes = true;
    address = Math.max(vma.start, address) as Hva;
    if (address >= end) break;
    const stop = Math.min(vma.end, end) as Hva;
    const error = yield* visit(vma, address, stop);
    if (error !== 0) return error;
    address = stop;
  }
  return holes ? -Errno.ENOMEM : 0;
}

/** can_madv_lru_vma(). */
function* ageUnlocked(vma: Vma, start: Hva, end: Hva, pageout: boolean): Steps<number> {
  if ((vma.flags & VM_LOCKED) !== 0) return -Errno.EINVAL;
  yield* coldOrPageout(vma, start, end, pageout);
  return 0;
}

function* refuse(): Steps<number> {
  return -Errno.EINVAL;
}
