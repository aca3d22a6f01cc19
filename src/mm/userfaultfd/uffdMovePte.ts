// One step of UFFDIO_MOVE: an entry of a page table, or as many as go together, to another address of the process
// (mm/userfaultfd.c: move_present_ptes, move_swap_pte, move_zeropage_pte).
//
// uffdMove.ts calls it within a notifier range.
//
// Invariants: an entry is moved only if it and its target are what they were when they were looked at (-EAGAIN), and only
// what is the mm's alone and not pinned. It is never present at both addresses. Reverse mapping that looks without the
// folio lock looks again at which anon_vma it is, once it has that (rmapWalk.ts).
// Locks: folio lock; anon_vma->rwsem for write; the page table locks, in the order of their ids.

import { levelBytes, PTE_BYTES, PTE_D, PTE_W } from '../../hw/sv39/index.ts';
import { at, type Mutex, points, type Steps } from '../../sched/index.ts';
import { bug, Errno, type Hpa, type Hva, PAGE_SIZE, type Pfn } from '../../units.ts';
import type { Host } from '../host.ts';
import { ksmMightUnmapZeroPage } from '../ksm/ksmZero.ts';
import { folioPut, folioUnlockPut } from '../page/folio.ts';
import { PG_swapcache } from '../page/frames.ts';
import {
  dropPte,
  isPresentPte,
  isSwapPteExclusive,
  mkPte,
  mkSoftDirty,
  normalPfn,
  PTE_SOFT_DIRTY,
  PTE_SPECIAL,
  ptepGetAndClear,
  ptlOf,
  readPte,
  setPte,
  swapPteSlot,
} from '../pagetable/pte.ts';
import { flushTlbRange } from '../pagetable/tlbFlush.ts';
import type { AnonVma } from '../rmap/anonVma.ts';
import { folioAnonVma, ptepClearFlush } from '../rmap/rmap.ts';
import { isAnonFolio } from '../rmap/rmapFile.ts';
import { swapCacheGetFolio, swapOf } from '../swap/swapCache.ts';
import { splitFolio } from '../thp/splitFolio.ts';
import type { Vma } from '../vma/vma.ts';

/** One entry and where it is to go, as they were when they were looked at. */
export interface Move {
  readonly to: Vma;
  readonly from: Vma;
  readonly target: Hva;
  readonly source: Hva;
  readonly targetPtep: Hpa;
  readonly sourcePtep: Hpa;
  readonly pte: number;
}

/** An entry as it is at the moment. */
export function* peekPte(host: Host, ptep: Hpa): Steps<number> {
  const ptl = ptlOf(host, ptep);
  yield* ptl.lock();
  if (points.on) yield at.pte(ptep);
  const pte = readPte(host, ptep);
  yield* ptl.unlock();
  return pte;
}

/** Runs `act` under both page table locks, if neither entry has changed; else -EAGAIN. */
function* ifStable(move: Move, act: () => Steps<number>): Steps<number> {
  const { host } = move.from.mm;
  const { sourcePtep, targetPtep } = move;
  // double_pt_lock(): the order of all who do so.
  const [first, second] = inOrder(ptlOf(host, sourcePtep), ptlOf(host, targetPtep));
  yield* first.lock();
  if (second !== first) yield* second.lock();
  if (points.on) yield at.pte(targetPtep);
  let isSame = readPte(host, targetPtep) === 0;
  if (points.on) yield at.pte(sourcePtep);
  isSame &&= readPte(host, sourcePtep) === move.pte;
  const result = isSame ? yield* act() : -Errno.EAGAIN;
  if (second !== first) yield* second.unlock();
  yield* first.unlock();
  return result;
}

const inOrder = (one: Mutex, other: Mutex): readonly [Mutex, Mutex] =>
  one.id < other.id ? [one, other] : [other, one];

/** The folio that the entry maps, with a reference, if it is the mm's alone: 0: the entry has changed; or -EBUSY. */
function* getExclusive({ from, sourcePtep, pte }: Move): Steps<number> {
  const { host } = from.mm;
  const page = normalPfn(pte) as Pfn;
  const ptl = ptlOf(host, sourcePtep);
  yield* ptl.lock();
  if (points.on) yield at.pte(sourcePtep);
  const same = readPte(host, sourcePtep) === pte;
  const folio = host.frames.folioOf(page);
  let result: number = same ? folio : 0;
  if (points.on) yield at.page(folio);
  if (same && !host.frames.isAnonExclusive(folio, page)) result = -Errno.EBUSY;
  if (result > 0) host.frames.get(folio);
  yield* ptl.unlock();
  return result;
}

/** The part of move_pages_ptes() for an entry that is present: locks what has to be locked round move_present_ptes(). */
export function* movePresent(move: Move, length: number): Steps<number> {
  const { host } = move.from.mm;
  const found = yield* getExclusive(move);
  if (found <= 0) return found === 0 ? -Errno.EAGAIN : found;
  const folio = found as Pfn;
  yield* host.folioLocks.lock(folio);
  if (points.on) yield at.page(folio);
  let result = -Errno.EAGAIN;
  if (!isAnonFolio(host, folio)) result = -Errno.EBUSY;
  else if (host.frames.order[folio] !== 0) result = yield* splitLarge(host, folio);
  else {
    if (points.on) yield at.page(folio);
    const anonVma = folioAnonVma(host, folio);
    if (anonVma !== null) {
      yield* host.locks.anonVmaLockWrite(anonVma);
      result = yield* ifStable(move, () => movePresentPtes(move, folio, anonVma, length));
      yield* host.locks.anonVmaUnlockWrite(anonVma);
    }
  }
  yield* folioUnlockPut(host, folio);
  return result;
}

/** -EAGAIN: it is split, look again; or why it cannot be. */
function* splitLarge(host: Host, folio: Pfn): Steps<number> {
  const error = yield* splitFolio(host, folio, null);
  return error === 0 ? -Errno.EAGAIN : error;
}

/**
 * move_present_ptes(): under the locks of both tables, of the first folio and of its anon_vma. Goes on with what
 * follows as long as it is like the first and can be locked at once. Bytes, or -EBUSY.
 */
function* movePresentPtes(move: Move, first: Pfn, anonVma: AnonVma, length: number): Steps<number> {
  const { mm } = move.from;
  const { host } = mm;
  if (points.on) yield at.page(first);
  const { frames } = host;
  if (frames.isMaybePinned(first) || !frames.isAnonExclusive(first, first)) return -Errno.EBUSY;
  const bytes = Math.min(length, leftInTable(move.target), leftInTable(move.source));
  let moved = 0;
  for (let folio = first as Pfn | 0; folio !== 0; ) {
    if (!(yield* movePresentPte(move, folio, moved))) break;
    moved += PAGE_SIZE;
    // The first is unlocked by who has locked it.
    if (folio !== first) yield* unlock(host, folio);
    folio = moved < bytes ? yield* lockNextOfBatch(move, anonVma, moved) : 0;
  }
  if (moved > 0) yield* flushTlbRange(mm, move.source, (move.source + moved) as Hva);
  return moved > 0 ? moved : -Errno.EBUSY;
}

const leftInTable = (address: number): number =>
  (Math.floor(address / levelBytes(1)) + 1) * levelBytes(1) - address;

function* unlock(host: Host, pfn: Pfn): Steps {
  if (points.on) yield at.page(pfn);
  host.folioLocks.unlock(pfn);
}

/** One entry, `offset` bytes on; false: the folio was pinned at the last moment, and stays. */
function* movePresentPte(
  { to, from, source, target, sourcePtep, targetPtep }: Move,
  folio: Pfn,
  offset: number,
): Steps<boolean> {
  const { host } = from.mm;
  const { frames } = host;
  const [old, wanted] = [entryAt(sourcePtep, offset), entryAt(targetPtep, offset)];
  if (points.on) yield at.pte(old);
  const pte = ptepGetAndClear(host, old);
  if (points.on) yield at.page(folio);
  if (frames.isMaybePinned(folio)) {
    if (points.on) yield at.pte(old);
    setPte(host, old, pte);
    if (offset > 0) yield* unlock(host, folio);
    return false;
  }
  // folio_move_anon_rmap().
  frames.mapping[folio] =
    to.anonVma?.id ?? bug('anonymous page moved to a VMA without an anon_vma', { source });
  frames.index[folio] = to.indexOf((target + offset) as Hva);
  if (points.on) yield at.pte(old);
  dropPte(host, old);
  if (points.on) yield at.pte(wanted);
  setPte(host, wanted, mkPte(folio, to) | PTE_SOFT_DIRTY | PTE_W | (pte & PTE_D));
  return true;
}

const entryAt = (ptep: Hpa, offset: number): Hpa => (ptep + (offset / PAGE_SIZE) * PTE_BYTES) as Hpa;

/** check_ptes_for_batched_move(): the next folio, locked, or 0. The page table lock keeps it. */
function* lockNextOfBatch(move: Move, anonVma: AnonVma, offset: number): Steps<Pfn | 0> {
  const { host } = move.from.mm;
  const { frames, folioLocks } = host;
  const [old, wanted] = [entryAt(move.sourcePtep, offset), entryAt(move.targetPtep, offset)];
  if (points.on) yield at.pte(wanted);
  if (readPte(host, wanted) !== 0) return 0;
  if (points.on) yield at.pte(old);
  const pte = readPte(host, old);
  const page = (isPresentPte(pte) ? normalPfn(pte) : 0) as Pfn | 0;
  if (page === 0 || frames.order[page] !== 0) return 0;
  if (points.on) yield at.page(page);
  if (!folioLocks.tryLock(page)) return 0;
  if (points.on) yield at.page(page);
  if (frames.isAnonExclusive(page, page) && folioAnonVma(host, page) === anonVma) return page;
  folioLocks.unlock(page);
  return 0;
}

/** move_zeropage_pte(). */
export const moveZeropagePte = (move: Move): Steps<number> => ifStable(move, () => moveStableZeropage(move));

function* moveStableZeropage({ to, from, source, sourcePtep, targetPtep }: Move): Steps<number> {
  const { mm } = from;
  const { host } = mm;
  const pte = yield* ptepClearFlush(mm, source, sourcePtep);
  ksmMightUnmapZeroPage(mm, pte);
  if (points.on) yield at.pte(sourcePtep);
  dropPte(host, sourcePtep);
  if (points.on) yield at.pte(targetPtep);
  setPte(host, targetPtep, mkPte(host.zeroPfn, to) | PTE_SPECIAL);
  return PAGE_SIZE;
}

/** The part of move_pages_ptes() for an entry of swap: a folio of the cache has to know where it belongs now. */
export function* moveSwapped(move: Move): Steps<number> {
  const { host } = move.from.mm;
  if (!isSwapPteExclusive(move.pte)) return -Errno.EBUSY;
  const folio = (yield* swapCacheGetFolio(host, swapPteSlot(move.pte))) as Pfn | 0;
  if (folio !== 0) yield* host.folioLocks.lock(folio);
  const result = yield* ifStable(move, () => moveSwapPte(move, folio));
  if (folio === 0) return result;
  yield* unlock(host, folio);
  yield* folioPut(host, folio);
  return result;
}

/** move_swap_pte(): `folio` is that of the cache, locked; 0: there was none. */
function* moveSwapPte(
  { to, from, target, sourcePtep, targetPtep, pte }: Move,
  folio: Pfn | 0,
): Steps<number> {
  const { host } = from.mm;
  const { frames } = host;
  const slot = swapPteSlot(pte);
  if (folio === 0) {
    // It may just have been read in.
    if (points.on) yield at.slot(slot);
    const { cached } = swapOf(host).inspect(slot);
    if (cached) return -Errno.EAGAIN;
  } else {
    if (points.on) yield at.page(folio);
    if (!frames.test(folio, PG_swapcache) || frames.private[folio] !== slot) return -Errno.EAGAIN;
    // Who was never mapped since it was read in belongs nowhere yet.
    if (frames.mapping[folio] !== 0) {
      frames.mapping[folio] =
        to.anonVma?.id ?? bug('anonymous page moved to a VMA without an anon_vma', { target });
      frames.index[folio] = to.indexOf(target);
    }
  }
  if (points.on) yield at.pte(sourcePtep);
  dropPte(host, sourcePtep);
  if (points.on) yield at.pte(targetPtep);
  setPte(host, targetPtep, mkSoftDirty(pte));
  return PAGE_SIZE;
}
