// Moving page table entries from one address to another (mm/mremap.c: move_page_tables, move_ptes).
//
// mremap.ts has made the VMA that they move to. Order (reference table row 19): start over the old range; per table: both
// page table locks; clear the old entry, set the new; flush the CPUs for the old range; unlock; end. Rule 21: an entry is
// never present at both addresses, and no CPU uses the old one once the lock is dropped.
//
// Locks: mmap_lock for write; where reverse mapping might look at the new VMA first and then at the old, the rmap
// locks of the old VMA too.

import { isPresent, levelBytes, PTE_BYTES } from '../../hw/sv39/index.ts';
import {
  MmuNotifyEvent,
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  mmuNotifierRangeInit,
} from '../../notifier/index.ts';
import { at, points, type Steps } from '../../sched/index.ts';
import { type Hpa, type Hva, PAGE_SIZE } from '../../units.ts';
import { HPAGE_PMD_SIZE } from '../page/largeFolio.ts';
import { allocPte } from '../pagetable/pageTable.ts';
import { findHugePmd } from '../pagetable/pmd.ts';
import {
  dropPte,
  findEntry,
  findPte,
  isStillMapped,
  mkSoftDirty,
  ptepGetAndClear,
  ptlOf,
  readPte,
  setPte,
} from '../pagetable/pte.ts';
import { flushTlbBatchedPending, flushTlbRange } from '../pagetable/tlbFlush.ts';
import { moveHugePmd } from '../thp/hugePmd.ts';
import { splitHugePmd } from '../thp/splitPmd.ts';
import type { Vma } from './vma.ts';

/** move_page_tables(): how many bytes were moved; fewer than `bytes` when out of memory. */
export function* movePageTables(
  from: Vma,
  oldAddress: Hva,
  newAddress: Hva,
  bytes: number,
  needRmapLocks: boolean,
): Steps<number> {
  const { mm } = from;
  const end = (oldAddress + bytes) as Hva;
  const range = mmuNotifierRangeInit(MmuNotifyEvent.UNMAP, mm, oldAddress, end);
  if (range !== null) yield* mmuNotifierInvalidateRangeStart(range);
  let moved = 0;
  while (moved < bytes) {
    const source = (oldAddress + moved) as Hva;
    const target = (newAddress + moved) as Hva;
    if (points.on) yield at.list(mm.pageTableLock.id);
    const extent = extentOf(source, target, end, findEntry(mm, source, 1) === 0 ? 2 : 1);
    if (points.on) yield at.list(mm.pageTableLock.id);
    const oldPtep = findPte(mm, source);
    if (oldPtep === 0 && mm.hugePmds > 0) {
      const moves = yield* moveOrSplitHuge(from, source, target, extent, needRmapLocks);
      if (moves === 'again') continue;
    }
    if (oldPtep !== 0) {
      const newPtep = yield* allocPte(mm, target);
      if (newPtep <= 0) break;
      const moves = yield* movePtes(from, source, target, oldPtep, newPtep, extent, needRmapLocks);
      if (!moves) continue;
    }
    moved += extent;
  }
  if (range !== null) yield* mmuNotifierInvalidateRangeEnd(range);
  return moved;
}

/** A huge page that is moved whole is moved by its entry, any other is split first: look again. */
function* moveOrSplitHuge(
  from: Vma,
  source: Hva,
  target: Hva,
  extent: number,
  needRmapLocks: boolean,
): Steps<'moved' | 'none' | 'again'> {
  const { mm } = from;
  if (points.on) yield at.list(mm.pageTableLock.id);
  const pmdp = findHugePmd(mm, source);
  if (pmdp === 0) return 'none';
  if (extent === HPAGE_PMD_SIZE) {
    if (needRmapLocks) yield* takeRmapLocks(from);
    const moved = yield* moveHugePmd(from, pmdp, source, target);
    if (needRmapLocks) yield* dropRmapLocks(from);
    if (moved) return 'moved';
  }
  yield* splitHugePmd(from, pmdp, source);
  return 'again';
}

/** get_extent(): up to where neither address leaves its entry at `level`. */
function extentOf(source: Hva, target: Hva, end: Hva, level: number): number {
  const size = levelBytes(level);
  const left = (address: number): number => (Math.floor(address / size) + 1) * size - address;
  return Math.min(left(source), left(target), end - source);
}

/** move_ptes(): `bytes` of one table into another, or within one. False: one of them is gone, look again. */
function* movePtes(
  vma: Vma,
  start: Hva,
  to: Hva,
  oldPtep: Hpa,
  newPtep: Hpa,
  bytes: number,
  needRmapLocks: boolean,
): Steps<boolean> {
  const { mm } = vma;
  const { host } = mm;
  if (needRmapLocks) yield* takeRmapLocks(vma);
  const oldPtl = ptlOf(host, oldPtep);
  const newPtl = ptlOf(host, newPtep);
  yield* oldPtl.lock();
  if (newPtl !== oldPtl) yield* newPtl.lock();
  const areThere = isStillMapped(mm, start, oldPtep) && isStillMapped(mm, to, newPtep);
  if (areThere) yield* flushTlbBatchedPending(mm);
  let forceFlush = false;
  for (let offset = 0; areThere && offset < bytes / PAGE_SIZE; offset++) {
    const source = (oldPtep + offset * PTE_BYTES) as Hpa;
    const target = (newPtep + offset * PTE_BYTES) as Hpa;
    if (points.on) yield at.pte(source);
    if (readPte(host, source) === 0) continue;
    const pte = ptepGetAndClear(host, source);
    // mremap_userfaultfd_prep(): what moves is nobody's any more.
    dropPte(host, source);
    if (isPresent(pte)) forceFlush = true;
    if (points.on) yield at.pte(target);
    setPte(host, target, mkSoftDirty(pte));
  }
  if (forceFlush) yield* flushTlbRange(mm, start, (start + bytes) as Hva);
  if (newPtl !== oldPtl) yield* newPtl.unlock();
  yield* oldPtl.unlock();
  if (needRmapLocks) yield* dropRmapLocks(vma);
  return areThere;
}

function* takeRmapLocks({ mm, file, anonVma }: Vma): Steps {
  if (file !== null) yield* mm.host.locks.iMmapLockWrite(file.mapping);
  if (anonVma !== null) yield* mm.host.locks.anonVmaLockWrite(anonVma);
}

function* dropRmapLocks({ mm, file, anonVma }: Vma): Steps {
  if (anonVma !== null) yield* mm.host.locks.anonVmaUnlockWrite(anonVma);
  if (file !== null) yield* mm.host.locks.iMmapUnlockWrite(file.mapping);
}
