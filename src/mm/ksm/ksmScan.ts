// ksmd: looks for pages that hold the same, a few at a time (mm/ksm.c: ksm_do_scan, cmp_and_merge_page).
//
// It goes through the processes that have offered memory, VMA by VMA and page by page, without end. What it knows of a
// page is an rmap_item; a page that was not the same as at its last scan is left alone, and one that was scanned often in
// vain is passed over now and then (smart scan).
//
// Locks: ksm_thread_mutex round each batch; mmap_lock for read while it looks for the next page.

import { at, COND_RESCHED, points, type Steps } from '../../sched/index.ts';
import { Errno, type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { folioPut, folioUnlockPut } from '../page/folio.ts';
import { PG_ksm } from '../page/frames.ts';
import { isPresentPte, normalPfn, readPte } from '../pagetable/pte.ts';
import { isAnonFolio } from '../rmap/rmapFile.ts';
import { NS_PER_MS, scheduleTimeout } from '../timeout.ts';
import type { Vma } from '../vma/vma.ts';
import { VM_MERGEABLE } from '../vma/vmFlags.ts';
import {
  KSM_RUN_MERGE,
  KSM_RUN_STOP,
  KSM_RUN_UNMERGE,
  type Ksm,
  type KsmMmSlot,
  type RmapItem,
} from './ksm.ts';
import { breakKsm, findMergeableVma, findPteWhere } from './ksmBreak.ts';
import { tryToMergeTwoPages, tryToMergeWithKsmPage, tryToMergeWithZeroPage } from './ksmMerge.ts';
import {
  calcChecksum,
  folioStableNode,
  ksmGetFolio,
  removeNodeFromStableTree,
  removeRmapItemFromTree,
  stableTreeAppend,
  stableTreeInsert,
  stableTreeSearch,
  unstableTreeSearchInsert,
} from './ksmTree.ts';

/** Virtual time that it takes to look for a page and at it, ns. */
const PAGE_COST = 2_000;
/** Scans of a page before it may be passed over. */
const SMART_SCAN_AGE = 3;
const MAX_AGE = 255;

/** run_store(): 0; -EINVAL; -ENOMEM: not everything could be unmerged. The first time starts ksmd. */
export function* ksmRunStore(host: Host, value: number): Steps<number> {
  if (value !== KSM_RUN_STOP && value !== KSM_RUN_MERGE && value !== KSM_RUN_UNMERGE) return -Errno.EINVAL;
  const { ksm } = host;
  let error = 0;
  yield* ksm.threadMutex.lock();
  if (ksm.run !== value) {
    ksm.run = value;
    if (value === KSM_RUN_UNMERGE) error = yield* unmergeAndRemoveAllRmapItems(host);
    if (error !== 0) ksm.run = KSM_RUN_STOP;
  }
  yield* ksm.threadMutex.unlock();
  if (value !== KSM_RUN_MERGE) return error;
  if (!ksm.hasThread) host.sched.spawn('ksmd', ksmScanThread(host));
  ksm.hasThread = true;
  ksm.threadWait.wakeAll();
  return error;
}

/** ksm_scan_thread(): the body of the task. */
export function* ksmScanThread(host: Host): Steps {
  const { ksm } = host;
  for (;;) {
    yield* ksm.threadMutex.lock();
    if (ksm.shouldRun) yield* ksmDoScan(host, ksm.pagesToScan);
    yield* ksm.threadMutex.unlock();
    if (ksm.shouldRun) yield* scheduleTimeout(host.sched, ksm.sleepMillisecs * NS_PER_MS);
    else yield* ksm.threadWait.until(() => ksm.shouldRun);
  }
}

/** ksm_do_scan(): so many pages, or until every process has been gone through. */
export function* ksmDoScan(host: Host, pages: number): Steps {
  for (let i = 0; i < pages; i++) {
    yield COND_RESCHED;
    host.sched.spend(PAGE_COST);
    const next = yield* scanGetNextRmapItem(host);
    if (next === null) return;
    yield* cmpAndMergePage(host, next.pfn, next.item);
    yield* folioPut(host, next.pfn);
    host.ksm.pagesScanned++;
  }
}

/** A page with a reference, and what KSM knows of it. */
interface Scanned {
  readonly item: RmapItem;
  readonly pfn: Pfn;
}

/** scan_get_next_rmap_item(): null when a scan of everything is complete. */
function* scanGetNextRmapItem(host: Host): Steps<Scanned | null> {
  const { ksm, trace } = host;
  if (ksm.slots.length === 0) return null;
  if (ksm.cursor === null) {
    trace.ksm_start_scan?.(ksm.seqnr, ksm.rmapItems);
    ksm.unstableTree.length = 0;
    yield* moveCursor(ksm, 'first');
  }
  while (ksm.cursor !== null) {
    const found = yield* scanSlot(host, ksm.cursor);
    if (found !== null) return found;
  }
  trace.ksm_stop_scan?.(ksm.seqnr, ksm.rmapItems);
  ksm.seqnr++;
  return null;
}

function* moveCursor(ksm: Ksm, to: 'first' | 'end'): Steps {
  yield* ksm.mmlistLock.lock();
  ksm.cursor = to === 'first' ? (ksm.slots[0] ?? null) : null;
  ksm.address = Number.NEGATIVE_INFINITY;
  ksm.position = 0;
  yield* ksm.mmlistLock.unlock();
}

/** The next page of one process; null: there is none, and the cursor stands at the next process. */
function* scanSlot(host: Host, slot: KsmMmSlot): Steps<Scanned | null> {
  const { ksm, locks } = host;
  const { mm } = slot;
  yield* locks.mmapReadLock(mm);
  const found = yield* nextPage(host, slot);
  if (found !== null) {
    yield* locks.mmapReadUnlock(mm);
    return found;
  }
  // Nothing offered at all, or the process is exiting.
  const isDone = mm.mmUsers === 0 || ksm.address === Number.NEGATIVE_INFINITY;
  if (isDone) ksm.position = 0;
  yield* removeTrailingRmapItems(host, slot);
  yield* leaveSlot(ksm, slot, isDone);
  yield* locks.mmapReadUnlock(mm);
  if (isDone) yield* mm.drop();
  return null;
}

/** On to the next process; one that is done leaves the list. */
function* leaveSlot(ksm: Ksm, slot: KsmMmSlot, isDone: boolean): Steps {
  yield* ksm.mmlistLock.lock();
  const index = ksm.slots.indexOf(slot);
  ksm.cursor = ksm.slots[index + 1] ?? null;
  ksm.address = Number.NEGATIVE_INFINITY;
  ksm.position = 0;
  if (isDone) {
    ksm.slots.splice(index, 1);
    slot.mm.isKsmMergeable = false;
  }
  yield* ksm.mmlistLock.unlock();
}

/** The VMAs from the cursor on, under mmap_lock. */
function* nextPage(host: Host, slot: KsmMmSlot): Steps<Scanned | null> {
  const { ksm } = host;
  const { mm } = slot;
  if (mm.mmUsers === 0) return null;
  if (points.on) yield at.list(mm.vmas.id);
  for (const vma of mm.vmas.all.filter(({ flags }) => (flags & VM_MERGEABLE) !== 0)) {
    if (vma.end <= ksm.address) continue;
    ksm.address = Math.max(ksm.address, vma.start);
    if (vma.anonVma === null) ksm.address = vma.end;
    while (ksm.address < vma.end) {
      const found = yield* nextAnonPage(vma, ksm.address as Hva, vma.end);
      if (found === null) {
        ksm.address = vma.end;
        break;
      }
      ksm.address = found.address + PAGE_SIZE;
      const item = yield* getNextRmapItem(host, slot, found.address);
      if (!(yield* shouldSkip(host, item, found.pfn))) return { item, pfn: found.pfn };
      yield* folioPut(host, found.pfn);
    }
  }
  return null;
}

/** ksm_next_page_pmd_entry(): the first page of anonymous memory in [start, end), with a reference. */
function* nextAnonPage(
  vma: Vma,
  start: Hva,
  end: Hva,
): Steps<{ readonly address: Hva; readonly pfn: Pfn } | null> {
  const { host } = vma.mm;
  const found = { pfn: 0 as Pfn };
  const address = yield* findPteWhere(vma, start, end, (ptep) => getMapped(host, ptep, found));
  return address === null ? null : { address, pfn: found.pfn };
}

/** Whether the entry maps such a page; which. */
function* getMapped(host: Host, ptep: Hpa, found: { pfn: Pfn }): Steps<boolean> {
  if (points.on) yield at.pte(ptep);
  const pte = readPte(host, ptep);
  found.pfn = (isPresentPte(pte) ? normalPfn(pte) : 0) as Pfn;
  return found.pfn !== 0 && (yield* getAnonPage(host, found.pfn));
}

/** A reference, if the page is an anonymous one that is not part of a large folio. */
function* getAnonPage(host: Host, pfn: Pfn): Steps<boolean> {
  const { frames } = host;
  const isSmall = frames.folioOf(pfn) === pfn && frames.order[pfn] === 0;
  if (points.on) yield at.page(pfn);
  if (!isSmall || !isAnonFolio(host, pfn)) return false;
  frames.get(pfn);
  return true;
}

/** get_next_rmap_item(): of `address`; those of pages before it that are not there any more go. */
function* getNextRmapItem(host: Host, slot: KsmMmSlot, address: Hva): Steps<RmapItem> {
  const { ksm } = host;
  const { rmapList, mm } = slot;
  for (let item = rmapList[ksm.position]; item !== undefined; item = rmapList[ksm.position]) {
    if (item.address === address) {
      ksm.position++;
      return item;
    }
    if (item.address > address) break;
    yield* removeRmapItem(host, slot, item);
  }
  const item: RmapItem = {
    id: ksm.nextId(),
    mm,
    address,
    oldChecksum: 0,
    age: 0,
    remainingSkips: 0,
    state: 'none',
    seqnr: 0,
    head: null,
    anonVma: null,
  };
  rmapList.splice(ksm.position++, 0, item);
  ksm.rmapItems++;
  mm.ksmRmapItems++;
  return item;
}

function* removeRmapItem(host: Host, { rmapList, mm }: KsmMmSlot, item: RmapItem): Steps {
  rmapList.splice(rmapList.indexOf(item), 1);
  yield* removeRmapItemFromTree(host, item);
  host.ksm.rmapItems--;
  mm.ksmRmapItems--;
}

/** remove_trailing_rmap_items(): of pages above those that were offered. */
function* removeTrailingRmapItems(host: Host, slot: KsmMmSlot): Steps {
  for (const item of slot.rmapList.slice(host.ksm.position)) {
    yield COND_RESCHED;
    yield* removeRmapItem(host, slot, item);
  }
}

/** should_skip_rmap_item(). */
function* shouldSkip(host: Host, item: RmapItem, pfn: Pfn): Steps<boolean> {
  const { ksm } = host;
  if (!ksm.smartScan) return false;
  if (points.on) yield at.page(pfn);
  if (host.frames.test(pfn, PG_ksm)) return false;
  const { age } = item;
  item.age = Math.min(age + 1, MAX_AGE);
  if (age < SMART_SCAN_AGE) return false;
  if (item.remainingSkips === 0) {
    item.remainingSkips = skipAge(age);
    return false;
  }
  ksm.pagesSkipped++;
  item.remainingSkips--;
  yield* removeRmapItemFromTree(host, item);
  return true;
}

/** skip_age(). */
const skipAge = (age: number): number => (age <= 3 ? 1 : age <= 5 ? 2 : age <= 8 ? 4 : 8);

/** cmp_and_merge_page(): with a merged page, or with another that did not change either. */
function* cmpAndMergePage(host: Host, pfn: Pfn, item: RmapItem): Steps {
  if (points.on) yield at.page(pfn);
  const node = folioStableNode(host, pfn);
  if (node !== null) {
    if (item.head === node) return;
  } else {
    yield* removeRmapItemFromTree(host, item);
    if (points.on) yield at.page(pfn);
    const checksum = calcChecksum(host, pfn);
    const changed = item.oldChecksum !== checksum;
    item.oldChecksum = checksum;
    if (changed || (yield* tryToMergeWithZeroPage(item, pfn))) return;
  }
  const kpage = (yield* stableTreeSearch(host, pfn)) as Pfn | 0;
  yield* removeRmapItemFromTree(host, item);
  if (kpage !== 0) {
    if ((yield* tryToMergeWithKsmPage(item, pfn, kpage)) === 0) yield* append(host, kpage, [item]);
    yield* folioPut(host, kpage);
    return;
  }
  const match = yield* unstableTreeSearchInsert(host, item, pfn, getMergeablePage);
  if (match === null) return;
  const merged = yield* tryToMergeTwoPages(item, pfn, match.item, match.pfn);
  yield* folioPut(host, match.pfn);
  if (merged) yield* insert(host, pfn, [match.item, item]);
}

/** stable_tree_append(), under the lock of the merged folio. */
function* append(host: Host, kpage: Pfn, items: readonly RmapItem[]): Steps {
  yield* host.folioLocks.lock(kpage);
  if (points.on) yield at.page(kpage);
  const node = folioStableNode(host, kpage);
  if (node !== null) for (const item of items) stableTreeAppend(host.ksm, item, node);
  host.folioLocks.unlock(kpage);
}

function* insert(host: Host, kpage: Pfn, items: readonly RmapItem[]): Steps {
  yield* host.folioLocks.lock(kpage);
  const node = yield* stableTreeInsert(host, kpage);
  for (const item of items) stableTreeAppend(host.ksm, item, node);
  if (points.on) yield at.page(kpage);
  host.folioLocks.unlock(kpage);
}

/** get_mergeable_page(). */
function* getMergeablePage({ mm, address }: RmapItem): Steps<number> {
  const { locks } = mm.host;
  yield* locks.mmapReadLock(mm);
  const vma = yield* findMergeableVma(mm, address);
  const end = (address + PAGE_SIZE) as Hva;
  const found = vma === null ? null : yield* nextAnonPage(vma, address, end);
  yield* locks.mmapReadUnlock(mm);
  return found === null ? 0 : found.pfn;
}

/** unmerge_and_remove_all_rmap_items(): everybody gets pages of his own again. 0 or -ENOMEM. */
function* unmergeAndRemoveAllRmapItems(host: Host): Steps<number> {
  const { ksm, locks } = host;
  yield* moveCursor(ksm, 'first');
  while (ksm.cursor !== null) {
    const slot: KsmMmSlot = ksm.cursor;
    const { mm } = slot;
    yield* locks.mmapReadLock(mm);
    const error = mm.mmUsers === 0 ? 0 : yield* unmergeAll(slot);
    if (error !== 0) {
      yield* locks.mmapReadUnlock(mm);
      yield* moveCursor(ksm, 'end');
      return error;
    }
    ksm.position = 0;
    yield* removeTrailingRmapItems(host, slot);
    const isDone = mm.mmUsers === 0;
    yield* leaveSlot(ksm, slot, isDone);
    yield* locks.mmapReadUnlock(mm);
    if (isDone) yield* mm.drop();
  }
  yield* removeAllStableNodes(host);
  ksm.seqnr = 0;
  return 0;
}

function* unmergeAll({ mm }: KsmMmSlot): Steps<number> {
  if (points.on) yield at.list(mm.vmas.id);
  for (const vma of [...mm.vmas.all]) {
    if ((vma.flags & VM_MERGEABLE) === 0 || vma.anonVma === null) continue;
    const error = yield* breakKsm(vma, vma.start, vma.end);
    if (error !== 0) return error;
  }
  return 0;
}

/** remove_all_stable_nodes(): those whose folio is mapped nowhere any more; the others are found out later. */
function* removeAllStableNodes(host: Host): Steps {
  for (const node of [...host.ksm.nodes.values()]) {
    const pfn = (yield* ksmGetFolio(host, node, true)) as Pfn | 0;
    if (pfn === 0) continue;
    if (points.on) yield at.page(pfn);
    if (host.frames.maps(pfn) === 0) yield* removeNodeFromStableTree(host, node);
    yield* folioUnlockPut(host, pfn);
  }
}
