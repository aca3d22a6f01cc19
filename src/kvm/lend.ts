// Lending a hart the host page behind guest memory for one access, where no spte may stand for it: a load or a fetch of a
// guest page of which the PMP permits only a part (hw/hart's loans.ts).
//
// vcpu.ts calls it in the SRCU section of the fault. A loan is in no rmap: notifierClient.ts flushes whoever holds one
// when it takes host pages away, and a flush ends it.
//
// Invariant: a loan is made under mmu_lock, after the check that a fault makes before it installs an spte. Locks: takes
// mmu_lock for write; may sleep.

import type { Hart } from '../hw/hart/index.ts';
import { getUserPage, putPage } from '../mm/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { type Gpa, gpaToGfn, type Hpa, type Pfn, pageOffset, pfnToHpa } from '../units.ts';
import type { Kvm } from './kvm.ts';
import { gfnToMemslot } from './memslot.ts';
import { type FaultResult, mmuInvalidateRetryGfn, RETRY } from './pageFault.ts';
import type { Vcpu } from './vcpuState.ts';

const LENT: FaultResult = { kind: 'done' };

/** For the access that the hart's fault tells of, at `gpa`. */
export function* lendGuestPage(vcpu: Vcpu, hart: Hart, gpa: Gpa): Steps<FaultResult> {
  const { kvm } = vcpu;
  const gfn = gpaToGfn(gpa);
  if (points.on) yield at.list(kvm.id);
  const slot = gfnToMemslot(kvm, gfn);
  if (slot === null || slot.invalid) return RETRY;
  if (points.on) yield at.sequence(kvm.id);
  const sequence = kvm.mmuInvalidateSeq;
  const page = yield* getUserPage(kvm.mm, slot.hvaOf(gfn), false);
  if (page < 0) return { kind: 'error', errno: -page, gpa };
  yield* kvm.mmuLock.lockWrite();
  if (points.on) yield at.sequence(kvm.id);
  const stale = mmuInvalidateRetryGfn(kvm, sequence, gfn);
  if (points.on) yield at.vcpu(vcpu.index);
  if (!stale) hart.loans.lend((pfnToHpa(page as Pfn) + pageOffset(gpa)) as Hpa);
  yield* kvm.mmuLock.unlock();
  yield* putPage(kvm.host, page as Pfn);
  return stale ? RETRY : LENT;
}

/** Whether a flush must reach some vCPU that holds a loan. mmu_lock held, so that nobody gets one meanwhile. */
export function* someoneHoldsLoan(kvm: Kvm): Steps<boolean> {
  for (const { index, hart } of kvm.vcpus) {
    if (points.on) yield at.vcpu(index);
    if (!hart.loans.isEmpty) return true;
  }
  return false;
}
