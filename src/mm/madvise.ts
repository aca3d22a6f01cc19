// madvise() (mm/madvise.c): a process tells what it no longer needs, or not soon.
//
// MADV_DONTNEED drops pages at once (reference table row 4): start; zap; end; flush; free. MADV_COLD only ages pages,
// and MADV_PAGEOUT reclaims them the way reclaim does (row 9); neither calls start and end of its own.
//
// Locks: mmap_lock for read; MADV_DONTNEED only the VMA's lock if the range lies in one VMA.

import { isPresent, PTE_A, PTE_BYTES } from '../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
} from '../notifier/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { Errno, type Hpa, type Hva, PAGE_SIZE, type Pfn, pageAlignUp, pageOffset } from '../units.ts';
import { PG_activate, PG_active, PG_referenced, PG_workingset } from './frames.ts';
import type { Host } from './host.ts';
import type { Mm } from './mmStruct.ts';
import { MmuGather } from './mmuGather.ts';
import { walkPageRange } from './pagewalk.ts';
import { normalPfn, ptepTestAndClearYoung, ptlOf, readPte } from './pte.ts';
import { ScanControl } from './scanControl.ts';
import { shrinkFolioList } from './shrinkFolioList.ts';
import { flushTlbBatchedPending } from './tlbFlush.ts';
import type { Vma } from './vma.ts';
import { lockVmaUnderRcu } from './vmaLock.ts';
import { moveFoliosToLru } from './vmscan.ts';
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
  if (advice === MADV_DONTNEED && (yield* dontneedOneVma(mm, start, end))) return 0;
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

/** madvise() under the VMA's lock alone (try_vma_read_lock()): false when it has to be mmap_lock. */
function* dontneedOneVma(mm: Mm, start: Hva, end: Hva): Steps<boolean> {
  const vma = yield* lockVmaUnderRcu(mm, start);
  if (vma === null) return false;
  const whole = end <= vma.end;
  if (whole) yield* dontneed(vma, start, end);
  yield* mm.host.locks.vmaEndRead(vma);
  return whole;
}

function madviseVma(vma: Vma, start: Hva, end: Hva, advice: number): Steps {
  return advice === MADV_DONTNEED ? dontneed(vma, start, end) : coldOrPageout(vma, start, end, advice);
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

/** madvise_cold() and madvise_pageout(): table by table, so that pages are isolated in batches. */
function* coldOrPageout(vma: Vma, start: Hva, end: Hva, advice: number): Steps {
  const { mm } = vma;
  const { host } = mm;
  const gather = new MmuGather(mm);
  const pageout = advice === MADV_PAGEOUT;
  yield* walkPageRange(mm, start, end, function* (ptep, first, last) {
    const isolated: Pfn[] = [];
    const ptl = ptlOf(host, ptep);
    yield* ptl.lock();
    yield* flushTlbBatchedPending(mm);
    for (let address = first, entry = ptep; address < last; ) {
      const pfn = yield* coldPte(gather, entry, address, pageout);
      if (pfn !== 0 && pageout && (yield* host.lruvec.isolate(pfn as Pfn))) isolated.push(pfn as Pfn);
      else if (pfn !== 0 && !pageout && (yield* host.lruvec.deactivate(pfn as Pfn)))
        host.vmstat.pgdeactivate++;
      address = (address + PAGE_SIZE) as Hva;
      entry = (entry + PTE_BYTES) as Hpa;
    }
    yield* ptl.unlock();
    yield* reclaimPages(host, isolated);
  });
  yield* gather.finish();
}

/** One entry of madvise_cold_or_pageout_pte_range(): the folio, no longer young; 0 when it is not this mm's alone. */
function* coldPte(gather: MmuGather, ptep: Hpa, address: Hva, pageout: boolean): Steps<number> {
  const { host } = gather.mm;
  const { frames } = host;
  if (points.on) yield at.pte(ptep);
  const pte = readPte(host, ptep);
  const pfn = (isPresent(pte) ? normalPfn(pte) : 0) as Pfn;
  if (pfn === 0) return 0;
  if (points.on) yield at.page(pfn);
  if (frames.maps(pfn) !== 1) return 0;
  if (!pageout && (pte & PTE_A) !== 0) {
    if (points.on) yield at.pte(ptep);
    ptepTestAndClearYoung(host, ptep);
    gather.noteEntry(address);
  }
  if (points.on) yield at.page(pfn);
  frames.clear(pfn, PG_referenced | PG_activate);
  if (frames.test(pfn, PG_active)) frames.set(pfn, PG_workingset);
  return pfn;
}

/** reclaim_pages(): what cannot be freed now goes back on the LRU. */
function* reclaimPages(host: Host, isolated: readonly Pfn[]): Steps {
  if (isolated.length === 0) return;
  const sc = new ScanControl(host, isolated.length, false);
  host.lruvec.isolated.anon += isolated.length;
  const { kept } = yield* shrinkFolioList(host, isolated, sc, true);
  yield* moveFoliosToLru(host, kept);
  host.lruvec.isolated.anon -= isolated.length;
  host.throttle.wakeIsolated();
}
