// msync() (mm/msync.c): dirty pages of shared file mappings go to the disk.
//
// Only MS_SYNC does anything: what MS_ASYNC asks for happens anyway, and nothing needs invalidating.
//
// Locks: mmap_lock for read, dropped while a file is being written.

import { at, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hva, PAGE_SIZE, pageAlignUp, pageOffset } from '../../units.ts';
import { fput, getFile } from '../filemap/file.ts';
import { vfsFsyncRange } from '../filemap/writeback.ts';
import type { Mm } from './mmStruct.ts';
import type { Vma } from './vma.ts';
import { VM_LOCKED, VM_SHARED } from './vmFlags.ts';

export const MS_ASYNC = 1;
export const MS_INVALIDATE = 2;
export const MS_SYNC = 4;

/**
 * msync(2): 0, -EINVAL (alignment or flags), -ENOMEM (a hole; what is mapped was synced all the same, unless the
 * flags are MS_ASYNC alone), -EBUSY (MS_INVALIDATE of locked memory), -EIO.
 */
export function* msync(mm: Mm, from: Hva, length: number, flags: number): Steps<number> {
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) !== 0 || pageOffset(from) !== 0) return -Errno.EINVAL;
  if ((flags & MS_ASYNC) !== 0 && (flags & MS_SYNC) !== 0) return -Errno.EINVAL;
  const end = (from + pageAlignUp(length)) as Hva;
  if (end < from) return -Errno.ENOMEM;
  let start = from;
  let holes = 0;
  while (start < end) {
    const vma = yield* lockedVma(mm, start);
    if (vma === null) return -Errno.ENOMEM;
    if (start < vma.start) {
      holes = -Errno.ENOMEM;
      start = vma.start;
    }
    const stop = Math.min(end, vma.end) as Hva;
    const isOver = start >= end || (holes !== 0 && flags === MS_ASYNC);
    const isBusy = (flags & MS_INVALIDATE) !== 0 && (vma.flags & VM_LOCKED) !== 0;
    if (isOver || isBusy) {
      yield* mm.host.locks.mmapReadUnlock(mm);
      return isOver ? -Errno.ENOMEM : -Errno.EBUSY;
    }
    const error = yield* syncVma(vma, start, stop, flags);
    if (error !== 0) return error;
    start = stop;
  }
  return holes;
}

/** find_vma(), with mmap_lock held for read; null, and it is not held. */
function* lockedVma(mm: Mm, address: Hva): Steps<Vma | null> {
  yield* mm.host.locks.mmapReadLock(mm);
  if (points.on) yield at.list(mm.vmas.id);
  const vma = mm.vmas.findFrom(address);
  if (vma === null) yield* mm.host.locks.mmapReadUnlock(mm);
  return vma;
}

/** The part [start, end) of a VMA; drops mmap_lock. */
function* syncVma(vma: Vma, start: Hva, end: Hva, flags: number): Steps<number> {
  const { mm, file } = vma;
  const first = vma.indexOf(start);
  const last = first + (end - start) / PAGE_SIZE - 1;
  const syncs = (flags & MS_SYNC) !== 0 && (vma.flags & VM_SHARED) !== 0;
  if (syncs) getFile(file);
  yield* mm.host.locks.mmapReadUnlock(mm);
  if (file === null || !syncs) return 0;
  const error = yield* vfsFsyncRange(file.mapping, first, last);
  yield* fput(file);
  return error;
}
