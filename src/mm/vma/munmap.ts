// munmap() (mm/vma.c: do_vmi_munmap, vms_gather_munmap_vmas, vms_complete_munmap_vmas).
//
// Order (reference table row 1): mmap_lock for write; split at both ends; lock and detach the VMAs; downgrade the lock;
// start; zap, flushing and freeing whenever the gather is full; end; leave the reverse mappings and unhook the tables;
// flush and free the rest; let go of the files.

import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hva, pageAlignUp, pageOffset } from '../../units.ts';
import { unlinkFileVma } from '../filemap/addressSpace.ts';
import { fput } from '../filemap/file.ts';
import { MmuGather } from '../pagetable/mmuGather.ts';
import { unhookTables } from '../pagetable/pageTable.ts';
import { type ZapDetails, zapPageRange } from '../pagetable/zap.ts';
import { unlinkAnonVmas } from '../rmap/anonVma.ts';
import { unchargeCommit } from './commit.ts';
import type { Mm } from './mmStruct.ts';
import type { Vma } from './vma.ts';
import { splitVmaUnchecked } from './vmaEdit.ts';
import { TASK_SIZE } from './vmaGaps.ts';
import { VM_ACCOUNT, VM_LOCKED } from './vmFlags.ts';

/** munmap(2): 0, -EINVAL, or -ENOMEM (a split would make too many VMAs). Unmapping a hole is no error. */
export function* munmap(mm: Mm, start: Hva, length: number): Steps<number> {
  yield* mm.mmapWriteLock();
  const { error, downgraded } = yield* doMunmap(mm, start, length, true);
  if (downgraded) yield* mm.host.locks.mmapReadUnlock(mm);
  else yield* mm.mmapWriteUnlock();
  return error;
}

/** do_munmap() for MAP_FIXED and mremap: mmap_lock is held for write throughout. 0 or -errno. */
export function* munmapLocked(mm: Mm, start: Hva, length: number): Steps<number> {
  return (yield* doMunmap(mm, start, length, false)).error;
}

/** do_vmi_munmap(); `downgraded`: mmap_lock is held for read only now. */
export function* doMunmap(
  mm: Mm,
  start: Hva,
  length: number,
  mayDowngrade: boolean,
): Steps<{ readonly error: number; readonly downgraded: boolean }> {
  const end = (start + pageAlignUp(length)) as Hva;
  if (pageOffset(start) !== 0 || start < 0 || end > TASK_SIZE || end <= start)
    return { error: -Errno.EINVAL, downgraded: false };
  const vmas = yield* detachVmas(mm, start, end);
  if (vmas === null) return { error: -Errno.ENOMEM, downgraded: false };
  if (points.on) yield at.list(mm.vmas.id);
  const { floor, ceiling } = mm.vmas.gapAround(start, end);
  if (mayDowngrade) yield* mm.host.locks.mmapWriteDowngrade(mm);
  yield* unmapDetached(mm, vmas, floor, ceiling);
  return { error: 0, downgraded: mayDowngrade };
}

/**
 * vms_gather_munmap_vmas(): takes what lies in [start, end) out of the address space, not yet out of the tables. Null
 * when a VMA would have to be cut in three and there are too many already.
 */
function* detachVmas(mm: Mm, start: Hva, end: Hva): Steps<Vma[] | null> {
  if (points.on) yield at.list(mm.vmas.id);
  const first = mm.vmas.find(start);
  if (first !== null && first.start < start) {
    const isFull = mm.vmas.all.length >= mm.host.sysctl.maxMapCount;
    if (end < first.end && isFull) return null;
    yield* splitVmaUnchecked(mm, first, start, true);
  }
  if (points.on) yield at.list(mm.vmas.id);
  const last = mm.vmas.find(end);
  if (last !== null && last.start < end) yield* splitVmaUnchecked(mm, last, end, false);
  if (points.on) yield at.list(mm.vmas.id);
  const vmas = mm.vmas.overlapping(start, end);
  for (const vma of vmas) {
    yield* mm.host.locks.vmaStartWrite(mm, vma);
    if (points.on) yield at.list(mm.vmas.id);
    mm.vmas.remove(vma);
    if ((vma.flags & VM_LOCKED) !== 0) mm.lockedVm -= vma.pages;
  }
  return vmas;
}

/** vms_complete_munmap_vmas(): `vmas` are detached, nothing else is mapped in [floor, ceiling). */
function* unmapDetached(mm: Mm, vmas: readonly Vma[], floor: number, ceiling: number): Steps {
  if (vmas.length === 0) return;
  const gather = new MmuGather(mm);
  yield* unmapVmas(gather, vmas, vmas[0]!.start, vmas.at(-1)!.end);
  yield* freePgtables(gather, vmas, floor, ceiling);
  yield* gather.finish();
  yield* removeVmas(mm, vmas);
}

const UNMAPPED: ZapDetails = { evenCows: true, dropMarkers: true };

/** unmap_vmas(): one start and end round [start, end), which holds all of `vmas`. */
export function* unmapVmas(gather: MmuGather, vmas: readonly Vma[], start: Hva, end: Hva): Steps {
  const { mm } = gather;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.UNMAP, mm, start, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  for (const vma of vmas) yield* zapPageRange(gather, vma, vma.start, vma.end, UNMAPPED);
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
}

/** free_pgtables(). */
export function* freePgtables(
  gather: MmuGather,
  vmas: readonly Vma[],
  floor: number,
  ceiling: number,
): Steps {
  const { mm } = gather;
  for (const vma of vmas) {
    yield* unlinkAnonVmas(mm.host, vma);
    yield* unlinkFileVma(vma);
  }
  gather.addTables(yield* unhookTables(mm, vmas[0]!.start, vmas.at(-1)!.end, floor, ceiling));
}

/** remove_vma() of each, and the accounts that they were in. */
export function* removeVmas(mm: Mm, vmas: readonly Vma[]): Steps {
  for (const vma of vmas) {
    mm.totalVm -= vma.pages;
    if ((vma.flags & VM_ACCOUNT) !== 0) unchargeCommit(mm.host, vma.pages);
    yield* fput(vma.file);
  }
}
