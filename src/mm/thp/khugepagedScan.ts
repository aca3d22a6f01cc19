// khugepaged's thread: collapses memory that nobody asks it to (mm/khugepaged.c: khugepaged_do_scan,
// khugepaged_scan_mm_slot).
//
// It goes through the processes of khugepaged.ts, VMA by VMA and 2 MiB by 2 MiB, so many pages at a time, and sleeps
// between; what it finds worth it collapse.ts and collapseFile.ts do. It runs while a setting permits huge pages.
//
// Locks: khugepaged_mm_lock for the cursor; mmap_lock for read, by trylock, while it looks at a process: whoever exits
// waits for that.

import { at, COND_RESCHED, points, type Steps } from '../../sched/index.ts';
import { Scan } from '../../trace/index.ts';
import type { Hva } from '../../units.ts';
import { type File, fput, getFile } from '../filemap/file.ts';
import type { Host } from '../host.ts';
import { HPAGE_PMD_NR, HPAGE_PMD_SIZE, hugeAlignDown } from '../page/largeFolio.ts';
import { NS_PER_MS, scheduleTimeout } from '../timeout.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { collapseScanPmd } from './collapse.ts';
import { collapseScanFile } from './collapseFile.ts';
import { type Collapse, newCollapse } from './collapsePages.ts';
import { collapsePteMappedThp } from './collapsePteMapped.ts';
import type { Khugepaged } from './khugepaged.ts';
import { hugepagePmdEnabled, type ThpSettings, thpVmaAllowableOrder } from './thp.ts';

/** Virtual time that it takes to look at 2 MiB, ns. */
const SCAN_COST = 5_000;

/** enabled_store() and shmem_enabled_store(), and start_stop_khugepaged(). */
export function thpStore(host: Host, settings: Partial<ThpSettings>): void {
  const { khugepaged, sched } = host;
  Object.assign(host.thp, settings);
  khugepaged.isRunning = hugepagePmdEnabled(host);
  if (khugepaged.isRunning && !khugepaged.hasThread) {
    khugepaged.hasThread = true;
    sched.spawn('khugepaged', khugepagedThread(host));
  }
  khugepaged.wait.wakeAll();
}

/** khugepaged(): the body of the task. */
function* khugepagedThread(host: Host): Steps {
  const { khugepaged } = host;
  while (khugepaged.isRunning) {
    yield* khugepagedDoScan(host);
    // khugepaged_wait_work().
    if (khugepaged.isRunning && khugepaged.mms.length > 0)
      yield* scheduleTimeout(host.sched, khugepaged.scanSleepMillisecs * NS_PER_MS);
    yield* khugepaged.wait.until(() => khugepaged.mms.length > 0 || !khugepaged.isRunning);
  }
  if (khugepaged.cursor !== null) yield* moveCursor(khugepaged, khugepaged.cursor, 'end');
  khugepaged.hasThread = false;
}

/** khugepaged_do_scan(): so many pages, or until every process has been gone through. */
function* khugepagedDoScan(host: Host): Steps {
  const { khugepaged } = host;
  const collapse = newCollapse(true);
  let progress = 0;
  let throughHead = 0;
  let mayWait = true;
  while (khugepaged.isRunning && progress < khugepaged.pagesToScan) {
    yield COND_RESCHED;
    if (khugepaged.cursor === null) throughHead++;
    if (khugepaged.mms.length === 0 || throughHead > 1) return;
    const scanned = yield* scanMm(host, collapse, khugepaged.pagesToScan - progress);
    progress += scanned.progress;
    if (scanned.result !== Scan.ALLOC_HUGE_PAGE_FAIL) continue;
    if (!mayWait) return;
    mayWait = false;
    yield* scheduleTimeout(host.sched, khugepaged.allocSleepMillisecs * NS_PER_MS);
  }
}

interface Scanned {
  /** Pages, and VMAs that were passed over. */
  progress: number;
  /** Of the last 2 MiB, SCAN_*. */
  result: number;
  /** The process has been gone through. */
  isOver: boolean;
}

/** khugepaged_scan_mm_slot(): up to `pages` of the process that is next. */
function* scanMm(host: Host, collapse: Collapse, pages: number): Steps<Scanned> {
  const { khugepaged, locks } = host;
  const scanned: Scanned = { progress: 0, result: Scan.FAIL, isOver: true };
  yield* khugepaged.mmLock.lock();
  if (khugepaged.cursor === null) khugepaged.address = 0 as Hva;
  khugepaged.cursor ??= khugepaged.mms[0] ?? null;
  const mm = khugepaged.cursor;
  yield* khugepaged.mmLock.unlock();
  if (mm === null) return scanned;
  collapse.lockDropped = false;
  // Not waited for: then the next one.
  if (yield* locks.mmapReadTrylock(mm)) {
    scanned.progress++;
    yield* scanVmas(mm, collapse, pages, scanned);
    if (!collapse.lockDropped) yield* locks.mmapReadUnlock(mm);
  }
  if (mm.mmUsers === 0 || scanned.isOver) yield* moveCursor(khugepaged, mm, 'next');
  return scanned;
}

/** With mmap_lock for read, which is not held any more if collapse.lockDropped. */
function* scanVmas(mm: Mm, collapse: Collapse, pages: number, scanned: Scanned): Steps {
  const { khugepaged } = mm.host;
  if (points.on) yield at.list(mm.vmas.id);
  for (const vma of [...mm.vmas.all]) {
    if (isLeaving(mm)) return;
    const last = hugeAlignDown(vma.end);
    if (khugepaged.address >= vma.end) continue;
    if (khugepaged.address > last || !(yield* thpVmaAllowableOrder(vma, vma.flags, 'khugepaged'))) {
      scanned.progress++;
      continue;
    }
    khugepaged.address = Math.max(khugepaged.address, hugeAlignDown(vma.start + HPAGE_PMD_SIZE - 1)) as Hva;
    while (khugepaged.address < last && !isLeaving(mm)) {
      scanned.result = yield* scanOne(collapse, vma, khugepaged.address);
      khugepaged.address = (khugepaged.address + HPAGE_PMD_SIZE) as Hva;
      scanned.progress += HPAGE_PMD_NR;
      scanned.isOver = false;
      if (collapse.lockDropped || scanned.progress >= pages) return;
    }
  }
  scanned.isOver = true;
}

/** hpage_collapse_test_exit_or_disable(). */
const isLeaving = ({ mmUsers, host }: Mm): boolean => mmUsers === 0 || !host.khugepaged.isRunning;

/** 2 MiB. SCAN_*; collapse.lockDropped: mmap_lock is not held any more. */
function* scanOne(collapse: Collapse, vma: Vma, address: Hva): Steps<number> {
  const { mm, file } = vma;
  const { host } = mm;
  yield COND_RESCHED;
  host.sched.spend(SCAN_COST);
  let result: number;
  if (file === null) result = yield* collapseScanPmd(collapse, vma, address);
  else {
    const index = vma.indexOf(address);
    getFile(file);
    collapse.lockDropped = true;
    yield* host.locks.mmapReadUnlock(mm);
    result = yield* scanFile(collapse, mm, address, file, index);
  }
  if (result === Scan.SUCCEED) host.khugepaged.pagesCollapsed++;
  return result;
}

/** Of a shmem object; where the huge folio is there already, the table of this mapping of it is taken out. */
function* scanFile(collapse: Collapse, mm: Mm, address: Hva, file: File, index: number): Steps<number> {
  const { locks } = mm.host;
  let result = yield* collapseScanFile(collapse, mm, address, file.mapping, index);
  yield* fput(file);
  if (result !== Scan.PTE_MAPPED_HUGEPAGE) return result;
  yield* locks.mmapReadLock(mm);
  if (!isLeaving(mm)) result = yield* collapsePteMappedThp(mm, address, false);
  yield* locks.mmapReadUnlock(mm);
  return result === Scan.PMD_MAPPED ? Scan.SUCCEED : result;
}

/** The end of khugepaged_scan_mm_slot() and collect_mm_slot(): away from `mm`, which goes if it has exited meanwhile. */
function* moveCursor(khugepaged: Khugepaged, mm: Mm, to: 'next' | 'end'): Steps {
  yield* khugepaged.mmLock.lock();
  const place = khugepaged.mms.indexOf(mm);
  khugepaged.cursor = to === 'next' ? (khugepaged.mms[place + 1] ?? null) : null;
  khugepaged.address = 0 as Hva;
  if (to === 'next' && khugepaged.cursor === null) khugepaged.fullScans++;
  const isDead = mm.mmUsers === 0;
  if (isDead) khugepaged.mms.splice(place, 1);
  yield* khugepaged.mmLock.unlock();
  if (isDead) yield* mm.drop();
}
