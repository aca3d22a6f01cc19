// madvise() (mm/madvise.c): a process tells what it no longer needs, or not soon.
//
// MADV_DONTNEED drops pages at once (reference table row 4): start; zap; end; flush; free. MADV_COLD only ages pages,
// and MADV_PAGEOUT reclaims them the way reclaim does (row 9); neither calls start and end of its own.
//
// Locks: mmap_lock for read; MADV_DONTNEED only the VMA's lock if the range lies in one VMA.

import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
} from '../notifier/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { Errno, type Hva, pageAlignUp, pageOffset } from '../units.ts';
import type { Mm } from './mmStruct.ts';
import { MmuGather } from './mmuGather.ts';
import type { Vma } from './vma.ts';
import { zapPageRange } from './zap.ts';

/** Advice (include/uapi/asm-generic/mman-common.h). */
export const MADV_DONTNEED = 4;
export const MADV_COLD = 20;
export const MADV_PAGEOUT = 21;

/**
 * madvise(2): 0, -EINVAL (alignment, length or advice), -ENOMEM (holes in the range; what is mapped was still advised).
 */
export function* madvise(mm: Mm, start: Hva, length: number, advice: number): Steps<number> {
  if (pageOffset(start) !== 0 || length < 0) return -Errno.EINVAL;
  if (advice !== MADV_DONTNEED && advice !== MADV_COLD && advice !== MADV_PAGEOUT) return -Errno.EINVAL;
  const end = (start + pageAlignUp(length)) as Hva;
  if (start === end) return 0;
  yield* mm.host.locks.mmapReadLock(mm);
  if (points.on) yield at.list(mm.vmas.id);
  let covered: number = start;
  let holes = false;
  for (const vma of mm.vmas.overlapping(start, end)) {
    const from = Math.max(start, vma.start) as Hva;
    const to = Math.min(end, vma.end) as Hva;
    if (from > covered) holes = true;
    covered = to;
    yield* madviseVma(vma, from, to, advice);
  }
  yield* mm.host.locks.mmapReadUnlock(mm);
  return holes || covered < end ? -Errno.ENOMEM : 0;
}

function madviseVma(vma: Vma, start: Hva, end: Hva, _advice: number): Steps {
  return dontneed(vma, start, end);
}

/** madvise_dontneed_single_vma() = zap_page_range_single(). */
function* dontneed(vma: Vma, start: Hva, end: Hva): Steps {
  const { mm } = vma;
  const gather = new MmuGather(mm);
  const range =
    mm.notifierSubscriptions === null
      ? null
      : { mm, start, end, event: MmuNotifyEvent.CLEAR, blockable: true };
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  yield* zapPageRange(gather, vma, start, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  yield* gather.finish();
}
