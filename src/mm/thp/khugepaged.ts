// khugepaged: its state, what /sys/kernel/mm/transparent_hugepage/khugepaged shows and sets, and who takes part
// (mm/khugepaged.c: khugepaged_enter_vma, __khugepaged_exit).
//
// A process is entered when it has memory that may be huge, at a fault, mmap(), madvise() or fork, and goes when it exits.
// khugepagedScan.ts goes through them.
//
// Invariant: an mm with `isKhugepagedScanned` is in the list and has one reference (mm_count) for it, until it exits.
// Lock: khugepaged_mm_lock for the list and the cursor.

import { LOCKS, Mutex, type Scheduler, type Steps, WaitQueue } from '../../sched/index.ts';
import type { Hva } from '../../units.ts';
import { HPAGE_PMD_NR } from '../page/largeFolio.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { thpVmaAllowableOrder } from './thp.ts';

export class Khugepaged {
  /** khugepaged_mm_lock. */
  readonly mmLock: Mutex;
  /** Woken when there is something to do, or the thread is to end (khugepaged_wait). */
  readonly wait: WaitQueue;
  /** There is a thread, which is to go on. */
  isRunning = false;
  hasThread = false;

  // What /sys/kernel/mm/transparent_hugepage/khugepaged sets.
  pagesToScan = 8 * HPAGE_PMD_NR;
  scanSleepMillisecs = 10_000;
  allocSleepMillisecs = 60_000;
  /** Of 512 entries so many may be none, on swap, and shared. */
  maxPtesNone = HPAGE_PMD_NR - 1;
  maxPtesSwap = HPAGE_PMD_NR / 8;
  maxPtesShared = HPAGE_PMD_NR / 2;
  /** Take the trouble of compacting memory. */
  defrag = true;

  // Under mmLock; `address` is the thread's alone.
  readonly mms: Mm[] = [];
  /** khugepaged_scan: who is scanned next, and where; null: a scan of all is to begin. */
  cursor: Mm | null = null;
  address = 0 as Hva;

  // Statistics.
  pagesCollapsed = 0;
  fullScans = 0;

  constructor(sched: Scheduler) {
    this.mmLock = new Mutex(sched, LOCKS.khugepaged_mm_lock);
    this.wait = new WaitQueue(sched, 'khugepaged_wait');
  }
}

/** The files of /sys/kernel/mm/transparent_hugepage/khugepaged, by name. */
export const readKhugepaged = (khugepaged: Khugepaged): Readonly<Record<string, number>> => ({
  pages_to_scan: khugepaged.pagesToScan,
  scan_sleep_millisecs: khugepaged.scanSleepMillisecs,
  alloc_sleep_millisecs: khugepaged.allocSleepMillisecs,
  max_ptes_none: khugepaged.maxPtesNone,
  max_ptes_swap: khugepaged.maxPtesSwap,
  max_ptes_shared: khugepaged.maxPtesShared,
  defrag: Number(khugepaged.defrag),
  pages_collapsed: khugepaged.pagesCollapsed,
  full_scans: khugepaged.fullScans,
});

/** khugepaged_enter_vma(): `vma` is to have `flags`. */
export function* khugepagedEnterVma(vma: Vma, flags: number): Steps {
  const { mm } = vma;
  if (mm.isKhugepagedScanned || !mm.host.khugepaged.isRunning) return;
  if (yield* thpVmaAllowableOrder(vma, flags, 'khugepaged')) yield* khugepagedEnter(mm);
}

/** khugepaged_fork(). */
export function* khugepagedFork(child: Mm, parent: Mm): Steps {
  if (parent.isKhugepagedScanned) yield* khugepagedEnter(child);
}

/** __khugepaged_enter(): last, so that the memory may settle. */
function* khugepagedEnter(mm: Mm): Steps {
  const { khugepaged } = mm.host;
  if (mm.isKhugepagedScanned) return;
  mm.isKhugepagedScanned = true;
  yield* khugepaged.mmLock.lock();
  const wakes = khugepaged.mms.length === 0;
  khugepaged.mms.push(mm);
  yield* khugepaged.mmLock.unlock();
  mm.grab();
  if (wakes) khugepaged.wait.wakeAll();
}

/** khugepaged_exit(): mm_users is 0. If khugepaged is at it, it lets go of the mm itself. */
export function* khugepagedExit(mm: Mm): Steps {
  if (!mm.isKhugepagedScanned) return;
  const { khugepaged, locks } = mm.host;
  yield* khugepaged.mmLock.lock();
  const place = khugepaged.mms.indexOf(mm);
  const isFree = place >= 0 && khugepaged.cursor !== mm;
  if (isFree) khugepaged.mms.splice(place, 1);
  yield* khugepaged.mmLock.unlock();
  if (place < 0) return;
  if (isFree) {
    mm.isKhugepagedScanned = false;
    yield* mm.drop();
    return;
  }
  // Until it is done with the tables, which it looks at with mmap_lock.
  yield* locks.mmapWriteLock(mm);
  yield* locks.mmapWriteUnlock(mm);
}
