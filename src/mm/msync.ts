// msync() (mm/msync.c): what a shared mapping has changed goes to the file's disk.
//
// Locks: mmap_lock for read, dropped during the writing.

import { at, points, type Steps } from '../sched/index.ts';
import { Errno, type Hva, pageAlignUp, pageOffset } from '../units.ts';
import type { Mm } from './mmStruct.ts';

export const MS_ASYNC = 1;
export const MS_INVALIDATE = 2;
export const MS_SYNC = 4;

/** msync(2): 0, -EINVAL, -ENOMEM (a hole; what is mapped was still synced). */
export function* msync(mm: Mm, start: Hva, length: number, flags: number): Steps<number> {
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) !== 0 || pageOffset(start) !== 0) return -Errno.EINVAL;
  if ((flags & (MS_ASYNC | MS_SYNC)) === (MS_ASYNC | MS_SYNC)) return -Errno.EINVAL;
  const end = start + pageAlignUp(length);
  yield* mm.host.locks.mmapReadLock(mm);
  let address: number = start;
  let holes = false;
  while (address < end) {
    if (points.on) yield at.list(mm.vmas.id);
    const vma = mm.vmas.findFrom(address);
    if (vma === null || vma.start > address) holes = true;
    if (vma === null) break;
    address = vma.end;
  }
  yield* mm.host.locks.mmapReadUnlock(mm);
  return holes ? -Errno.ENOMEM : 0;
}
