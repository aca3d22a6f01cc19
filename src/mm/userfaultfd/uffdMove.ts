// UFFDIO_MOVE: pages of anonymous memory go to another address, for the handler of a userfaultfd that has them ready,
// without a copy (mm/userfaultfd.c: move_pages).
//
// Order (6.18): start (CLEAR) over all of the source that is left; folio lock; anon_vma for write; both page table
// locks; each entry up to the end of a table cleared, the folio given to the VMA it moves to, and the new entry set;
// one flush of the CPUs for all; unlock; end; and so on. What is on swap, and the zero page, go one by one. None ->
// present at the target is not notified.
//
// A huge page is always split first; Linux moves those that move whole by their entry.
// Locks: both VMAs' for read, or mmap_lock for read; below them those of uffdMovePte.ts.

import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, COND_RESCHED, points, RESCHED, type Steps } from '../../sched/index.ts';
import { Errno, type Hpa, type Hva, PAGE_SIZE } from '../../units.ts';
import { PG_locked } from '../page/frames.ts';
import { isMigrationPte, migrationPfn } from '../pagetable/migrationEntry.ts';
import { allocPte } from '../pagetable/pageTable.ts';
import { findHugePmd } from '../pagetable/pmd.ts';
import { findPte, isPresentPte, normalPfn } from '../pagetable/pte.ts';
import { anonVmaPrepare } from '../rmap/anonVma.ts';
import { splitHugePmd } from '../thp/splitPmd.ts';
import { exitMm } from '../vma/exit.ts';
import type { Mm } from '../vma/mmStruct.ts';
import type { Vma } from '../vma/vma.ts';
import { lockVmaUnderRcu } from '../vma/vmaLock.ts';
import { VM_ACCESS_FLAGS, VM_LOCKED, VM_SHARED, VM_WRITE } from '../vma/vmFlags.ts';
import { isValidRange } from './uffdIoctl.ts';
import { type Move, movePresent, moveSwapped, moveZeropagePte, peekPte } from './uffdMovePte.ts';
import type { Userfaultfd } from './userfaultfd.ts';

export const UFFDIO_MOVE_MODE_DONTWAKE = 1 << 0;
export const UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES = 1 << 1;

/** The VMAs that it is about, and which lock keeps them. */
interface Areas {
  readonly to: Vma;
  readonly from: Vma;
  readonly hasMmapLock: boolean;
}

/**
 * UFFDIO_MOVE: how many bytes were moved, or if none -EEXIST: there is a page; -ENOENT: not registered, or nothing to be
 * moved; -EBUSY: it is pinned, or not this process's alone; -EINVAL; -ENOMEM; -ESRCH; -EINTR: the process is to die.
 */
export function* uffdioMove(
  uffd: Userfaultfd,
  to: Hva,
  from: Hva,
  length: number,
  mode: number,
): Steps<number> {
  const { mm } = uffd;
  const modes = UFFDIO_MOVE_MODE_DONTWAKE | UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES;
  if (!isValidRange(to, length) || !isValidRange(from, length) || (mode & ~modes) !== 0) return -Errno.EINVAL;
  if (uffd.released || !mm.getNotZero()) return -Errno.ESRCH;
  const areas = yield* lockAreas(mm, to, from);
  let moved = -Errno.ENOENT;
  if (areas !== null) {
    const allowHoles = (mode & UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES) !== 0;
    moved = isMovable(uffd, areas, to, from, length)
      ? yield* movePages(areas, to, from, length, allowHoles)
      : -Errno.EINVAL;
    yield* unlockAreas(mm, areas);
  }
  yield* exitMm(mm);
  if (moved > 0 && (mode & UFFDIO_MOVE_MODE_DONTWAKE) === 0) yield* uffd.wake(to, (to + moved) as Hva);
  return moved;
}

/** uffd_move_lock(): null when one of them is not there. */
function* lockAreas(mm: Mm, to: Hva, from: Hva): Steps<Areas | null> {
  const { locks } = mm.host;
  const target = yield* lockVmaUnderRcu(mm, to);
  if (target !== null) {
    const isReady = target.anonVma !== null || (target.flags & VM_SHARED) !== 0;
    const source = !isReady ? null : target.contains(from) ? target : yield* lockVmaUnderRcu(mm, from);
    if (source !== null) return { to: target, from: source, hasMmapLock: false };
    yield* locks.vmaEndRead(target);
  }
  yield* locks.mmapReadLock(mm);
  if (points.on) yield at.list(mm.vmas.id);
  const found = { to: mm.vmas.find(to), from: mm.vmas.find(from) };
  if (found.to !== null && (found.to.flags & VM_SHARED) === 0) yield* anonVmaPrepare(mm.host, found.to);
  if (found.to !== null && found.from !== null) {
    return { to: found.to, from: found.from, hasMmapLock: true };
  }
  yield* locks.mmapReadUnlock(mm);
  return null;
}

function* unlockAreas({ host: { locks } }: Mm, { to, from, hasMmapLock }: Areas): Steps {
  if (hasMmapLock) return yield* locks.mmapReadUnlock(to.mm);
  yield* locks.vmaEndRead(from);
  if (to !== from) yield* locks.vmaEndRead(to);
}

/** The checks of move_pages() and validate_move_areas(). */
function isMovable(
  uffd: Userfaultfd,
  { to, from }: Areas,
  target: Hva,
  source: Hva,
  length: number,
): boolean {
  const same = VM_ACCESS_FLAGS | VM_LOCKED;
  const fits = source + length <= from.end && target + length <= to.end;
  const isPrivate = to.file === null && from.file === null && ((to.flags | from.flags) & VM_SHARED) === 0;
  return (
    fits &&
    isPrivate &&
    ((to.flags ^ from.flags) & same) === 0 &&
    (from.flags & VM_WRITE) !== 0 &&
    to.userfaultfd === uffd
  );
}

/** move_pages(): bytes, or the first page's -errno. */
function* movePages(areas: Areas, to: Hva, from: Hva, length: number, allowHoles: boolean): Steps<number> {
  const { mm } = areas.to;
  let moved = 0;
  let error = 0;
  while (moved < length && (error === 0 || error === -Errno.EAGAIN)) {
    const [target, source] = [(to + moved) as Hva, (from + moved) as Hva];
    const tables = yield* findTables(areas, target, source, allowHoles);
    const result =
      typeof tables === 'number'
        ? tables
        : yield* movePagesPtes(areas, tables, target, source, length - moved, allowHoles);
    error = Math.min(0, result);
    yield error === 0 ? COND_RESCHED : RESCHED;
    moved += Math.max(0, result);
    if (mm.killed && (error === 0 || error === -Errno.EAGAIN)) error = -Errno.EINTR;
  }
  return moved > 0 ? moved : error;
}

/** Where the two entries are; -EAGAIN after a huge page was split. */
function* findTables(
  { from: { mm }, from }: Areas,
  target: Hva,
  source: Hva,
  allowHoles: boolean,
): Steps<{ readonly target: Hpa; readonly source: Hpa } | number> {
  if (points.on) yield at.list(mm.pageTableLock.id);
  let sourcePtep = findPte(mm, source);
  if (sourcePtep === 0 && mm.hugePmds > 0) {
    if (points.on) yield at.list(mm.pageTableLock.id);
    const pmdp = findHugePmd(mm, source);
    if (pmdp !== 0) {
      yield* splitHugePmd(from, pmdp, source);
      return -Errno.EAGAIN;
    }
  }
  if (sourcePtep === 0) {
    if (!allowHoles) return -Errno.ENOENT;
    sourcePtep = yield* allocPte(mm, source);
    if (sourcePtep <= 0) return sourcePtep === 0 ? -Errno.ENOMEM : -Errno.EAGAIN;
  }
  const targetPtep = yield* allocPte(mm, target);
  if (targetPtep <= 0) return targetPtep === 0 ? -Errno.ENOMEM : -Errno.EEXIST;
  return { target: targetPtep, source: sourcePtep };
}

/** move_pages_ptes(): one entry, or as many present ones as go together; bytes, or -errno. */
function* movePagesPtes(
  areas: Areas,
  tables: { readonly target: Hpa; readonly source: Hpa },
  target: Hva,
  source: Hva,
  length: number,
  allowHoles: boolean,
): Steps<number> {
  const { mm } = areas.from;
  const { host } = mm;
  const end = (source + length) as Hva;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.CLEAR, mm, source, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  let result = -Errno.EEXIST;
  if ((yield* peekPte(host, tables.target)) === 0) {
    const pte = yield* peekPte(host, tables.source);
    const move: Move = {
      ...areas,
      target,
      source,
      targetPtep: tables.target,
      sourcePtep: tables.source,
      pte,
    };
    if (pte === 0) result = allowHoles ? PAGE_SIZE : -Errno.ENOENT;
    else if (isMigrationPte(pte)) {
      yield* host.folioLocks.wait(host.frames.folioOf(migrationPfn(pte)), PG_locked);
      result = -Errno.EAGAIN;
    } else if (!isPresentPte(pte)) result = yield* moveSwapped(move);
    else if (normalPfn(pte) === 0) result = yield* moveZeropagePte(move);
    else result = yield* movePresent(move, length);
  }
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  return result;
}
