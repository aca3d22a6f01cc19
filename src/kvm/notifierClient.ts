// KVM as a client of mmu_notifiers: the only way in which the host's changes reach the guest (kvm_mmu_notifier_ops).
//
// mm/ calls through the chain; each callback maps the hva range to gfns by the memslots, and the gfns to sptes by the
// rmap. invalidate_range_start zaps and flushes before it returns; faults that overlap are turned away by the sequence
// count and the in-progress range (pageFault.ts, Retry), which range_end bumps and closes:
//
//     start: in_progress++, range |= [start, end), zap, flush        end: seq++, in_progress--
//     fault: read seq; resolve the page; under mmu_lock: in progress here, or seq changed? try again
//
// Locks: mn_invalidate_lock for the count of open ranges, then mmu_lock for write. Nothing here sleeps.

import { MmuNotifier, type MmuNotifierOps } from '../notifier/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { bug, type Gfn, type Hva } from '../units.ts';
import type { Kvm } from './kvm.ts';
import { someoneHoldsLoan } from './lend.ts';
import { type Memslot, slotsInHvaRange } from './memslot.ts';
import { kvmFlushRemoteTlbs } from './requests.ts';
import { isAccessed, testAndClearAccessed } from './spte.ts';
import { kvmMmuZapAll, unmapGfnRange } from './zap.ts';

type GfnHandler = (kvm: Kvm, slot: Memslot, startGfn: Gfn, endGfn: Gfn) => Steps<boolean>;

/**
 * __kvm_handle_hva_range(): `onLock` is called for each slot that meets the range, at the point at.sequence(kvm.id).
 * OR of the handler's answers.
 */
function* handleHvaRange(
  kvm: Kvm,
  start: Hva,
  end: Hva,
  handler: GfnHandler | null,
  onLock: ((kvm: Kvm, startGfn: Gfn, endGfn: Gfn) => void) | null,
): Steps<boolean> {
  const index = yield* kvm.srcu.readLock();
  let locked = false;
  let result = false;
  if (points.on) yield at.list(kvm.id);
  for (const { slot, startGfn, endGfn } of slotsInHvaRange(kvm, start, end)) {
    if (!locked) yield* kvm.mmuLock.lockWrite();
    locked = true;
    if (points.on) yield at.sequence(kvm.id);
    onLock?.(kvm, startGfn, endGfn);
    if (handler !== null) result = (yield* handler(kvm, slot, startGfn, endGfn)) || result;
  }
  if (locked) {
    const flush = handler === unmapGfnRange && (result || (yield* someoneHoldsLoan(kvm)));
    if (flush) yield* kvmFlushRemoteTlbs(kvm);
    yield* kvm.mmuLock.unlock();
  }
  yield* kvm.srcu.readUnlock(index);
  return result;
}

/** kvm_mmu_invalidate_begin() and _range_add(); ranges of operations that overlap in time are merged. */
function invalidateRangeAdd(kvm: Kvm, startGfn: Gfn, endGfn: Gfn): void {
  if (points.on) points.check('sequence', kvm.id, 'update');
  const first = kvm.mmuInvalidateRangeStart === kvm.mmuInvalidateRangeEnd;
  kvm.mmuInvalidateRangeStart = first ? startGfn : Math.min(kvm.mmuInvalidateRangeStart, startGfn);
  kvm.mmuInvalidateRangeEnd = first ? endGfn : Math.max(kvm.mmuInvalidateRangeEnd, endGfn);
  kvm.trace.kvm_invalidate_begin?.(
    kvm.id,
    startGfn,
    endGfn,
    kvm.mmuInvalidateSeq,
    kvm.mmuInvalidateInProgress,
  );
}

/** Age every spte of the gfns; true if one was used. The TLB is left alone (CONFIG_KVM_ELIDE_TLB_FLUSH_IF_YOUNG). */
function* ageGfnRange(kvm: Kvm, slot: Memslot, startGfn: Gfn, endGfn: Gfn): Steps<boolean> {
  let young = false;
  for (const sptep of slot.hugeSptesIn(startGfn, endGfn)) {
    if (points.on) yield at.spte(sptep);
    young = testAndClearAccessed(kvm.memory, sptep) || young;
  }
  for (const gfn of slot.rmap.mappedGfns(startGfn, endGfn)) {
    for (const sptep of slot.rmap.sptesOf(gfn)) {
      if (points.on) yield at.spte(sptep);
      young = testAndClearAccessed(kvm.memory, sptep) || young;
    }
  }
  return young;
}

function* testAgeGfnRange(kvm: Kvm, slot: Memslot, startGfn: Gfn, endGfn: Gfn): Steps<boolean> {
  for (const sptep of slot.hugeSptesIn(startGfn, endGfn)) {
    if (points.on) yield at.spte(sptep);
    if (isAccessed(kvm.memory, sptep)) return true;
  }
  for (const gfn of slot.rmap.mappedGfns(startGfn, endGfn)) {
    for (const sptep of slot.rmap.sptesOf(gfn)) {
      if (points.on) yield at.spte(sptep);
      if (isAccessed(kvm.memory, sptep)) return true;
    }
  }
  return false;
}

function* changeActiveCount(kvm: Kvm, by: 1 | -1): Steps {
  yield* kvm.mnInvalidateLock.lock();
  kvm.mnActiveInvalidateCount += by;
  if (kvm.mnActiveInvalidateCount < 0) bug('more invalidate_range_end than start', { kvm: kvm.id });
  const last = kvm.mnActiveInvalidateCount === 0;
  yield* kvm.mnInvalidateLock.unlock();
  if (last) kvm.mnMemslotsUpdateWait.wakeAll();
}

/** kvm_mmu_notifier_ops for one VM. */
export function kvmMmuNotifierOps(kvm: Kvm): MmuNotifierOps {
  return {
    *invalidateRangeStart(_subscription, range) {
      kvm.trace.kvm_unmap_hva_range?.(range.start, range.end);
      yield* changeActiveCount(kvm, 1);
      let begun = false;
      yield* handleHvaRange(kvm, range.start, range.end, unmapGfnRange, (_, startGfn, endGfn) => {
        if (!begun) kvm.mmuInvalidateInProgress++;
        begun = true;
        invalidateRangeAdd(kvm, startGfn, endGfn);
      });
      return 0;
    },

    *invalidateRangeEnd(_subscription, range) {
      let ended = false;
      yield* handleHvaRange(kvm, range.start, range.end, null, () => {
        if (!ended) endInvalidate(kvm);
        ended = true;
      });
      yield* changeActiveCount(kvm, -1);
    },

    *clearFlushYoung(_subscription, _mm, start, end) {
      kvm.trace.kvm_age_hva?.(start, end);
      return yield* handleHvaRange(kvm, start, end, ageGfnRange, null);
    },

    *clearYoung(_subscription, _mm, start, end) {
      kvm.trace.kvm_age_hva?.(start, end);
      return yield* handleHvaRange(kvm, start, end, ageGfnRange, null);
    },

    *testYoung(_subscription, _mm, address) {
      kvm.trace.kvm_test_age_hva?.(address);
      return yield* handleHvaRange(kvm, address, (address + 1) as Hva, testAgeGfnRange, null);
    },

    *release() {
      if (points.on) yield at.sequence(kvm.id);
      kvm.vmDead = true;
      yield* kvmMmuZapAll(kvm);
    },
  };
}

/** kvm_mmu_invalidate_end(): the bump is visible before the count falls. */
function endInvalidate(kvm: Kvm): void {
  if (points.on) points.check('sequence', kvm.id, 'update');
  kvm.mmuInvalidateSeq++;
  kvm.mmuInvalidateInProgress--;
  if (kvm.mmuInvalidateInProgress < 0) bug('invalidate_range_end without start', { kvm: kvm.id });
  kvm.trace.kvm_invalidate_end?.(kvm.id, kvm.mmuInvalidateSeq, kvm.mmuInvalidateInProgress);
  if (kvm.mmuInvalidateInProgress > 0) return;
  kvm.mmuInvalidateRangeStart = 0;
  kvm.mmuInvalidateRangeEnd = 0;
}

export const newKvmNotifier = (kvm: Kvm): MmuNotifier => new MmuNotifier(kvm.id, kvmMmuNotifierOps(kvm));
