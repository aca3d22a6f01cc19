// The page-fault path: from a hart's missing translation to an installed spte (FNAME(page_fault), direct_page_fault,
// kvm_faultin_pfn). The way down of the design's first journey.
//
// Called by vcpu.ts on an MMU-fault exit. Order is everything: walk the guest's tables, find the memslot, set frames
// aside, snapshot the invalidate sequence, fault the host page in (may sleep), take mmu_lock, check the sequence again,
// and only then install; on any doubt give up and let the guest fault again (retry; the paired side is
// notifierClient.ts).
//
// Locks: kvm->srcu throughout; mmu_lock for write around the installing.

import type { Hart } from '../hw/hart/index.ts';
import { Access, type AccessKind, levelBytes, pteIndex, pteIndexX4 } from '../hw/sv39/index.ts';
import { getUserPage, putPage } from '../mm/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { bug, Errno, type Gfn, type Gpa, gpaToGfn, type Hpa, type Pfn } from '../units.ts';
import { guestAccess } from './guestMemory.ts';
import type { GuestWalk, GuestWalkResult } from './guestWalk.ts';
import type { Kvm } from './kvm.ts';
import { hugepageAdjust, mayBeHuge } from './mappingLevel.ts';
import { gfnToMemslot, KVM_MEM_READONLY, type Memslot } from './memslot.ts';
import { getShadowPage, type Leaf, linkedChild, linkShadowPage, RetPf, setLeafSpte } from './mmu.ts';
import { isCacheLow, topupShadowPageCache } from './recycle.ts';
import { ACCESS_ALL, directRole, type Role, type ShadowPage, shadowAccess } from './shadowPage.ts';
import { syncChildren } from './sync.ts';
import { rootState } from './traceTerms.ts';
import type { Vcpu } from './vcpuState.ts';
import { isWriteTracked } from './writeTrack.ts';

/** Leaves of 2 MiB are the largest: the host has none of 1 GiB. */
const MAX_LEAF_LEVEL = 1;

/**
 * The worst instruction needs some forty pages and shadow pages; guests that swap on the smallest host take ten faults.
 */
const MAX_FAULTS_OF_INSTRUCTION = 2000;

/**
 * What a fault came to; beyond Linux's RET_PF_*, done: the emulation has finished the instruction, or what it waited for;
 * lend: the access must be made without an spte.
 */
export type FaultResult =
  | { readonly kind: 'fixed' | 'spurious' | 'retry' | 'done' }
  | { readonly kind: 'emulate' | 'mmio' | 'lend'; readonly gpa: Gpa }
  | { readonly kind: 'guestPageFault' | 'guestAccessFault'; readonly address: number }
  | { readonly kind: 'error'; readonly errno: number; readonly gpa: Gpa };

export const RETRY: FaultResult = { kind: 'retry' };
const FIXED: FaultResult = { kind: 'fixed' };
const SPURIOUS: FaultResult = { kind: 'spurious' };

/** FNAME(page_fault): the shadow root lacks a translation of `address`. */
export function* pagedFault(vcpu: Vcpu, hart: Hart, address: number, access: AccessKind): Steps<FaultResult> {
  const { guestWalk } = vcpu;
  const result = yield* guestWalk.translate(hart, address, access);
  const failure = walkFailure(guestWalk, result, address);
  if (failure !== null) return failure;
  const { pa, lo } = guestWalk.walk;
  if (hart.pmp.allowed(pa, hart.fault.bytes, access, false) === 0) {
    return { kind: 'guestAccessFault', address };
  }
  if (shadowAccess(hart, gpaToGfn(pa as Gpa), guestAccess(lo)) === 0) {
    return yield* unshadowedFault(vcpu, pa as Gpa, access === Access.store);
  }
  return yield* mapGuestPage(vcpu, pa as Gpa, guestAccess(lo), access === Access.store, address);
}

/** The guest and its PMP permit the access, but no spte can say so. */
function* unshadowedFault({ kvm }: Vcpu, gpa: Gpa, write: boolean): Steps<FaultResult> {
  if (points.on) yield at.list(kvm.id);
  const slot = gfnToMemslot(kvm, gpaToGfn(gpa));
  if (slot === null) return { kind: 'mmio', gpa };
  if (slot.invalid) return RETRY;
  if (!write) return { kind: 'lend', gpa };
  return { kind: (slot.flags & KVM_MEM_READONLY) !== 0 ? 'mmio' : 'emulate', gpa };
}

/** What a walk of the guest's tables for `address` that failed comes to; null: it did not fail. */
export function walkFailure(
  { walk }: GuestWalk,
  result: GuestWalkResult,
  address: number,
): FaultResult | null {
  if (result === 'ok') return null;
  if (result === 'pageFault') return { kind: 'guestPageFault', address };
  if (result === 'accessFault') return { kind: 'guestAccessFault', address };
  if (result === -Errno.EAGAIN) return RETRY;
  return { kind: 'error', errno: -result, gpa: walk.entryAddress as Gpa };
}

/** direct_page_fault(): the direct root (unpaged guest, or second stage) lacks `gpa`. */
export const directFault = (vcpu: Vcpu, gpa: Gpa, access: AccessKind): Steps<FaultResult> =>
  mapGuestPage(vcpu, gpa, ACCESS_ALL, access === Access.store, null);

/** `address`: what the guest's tables, which vcpu.guestWalk has just walked for it, translate to `gpa`; null: direct. */
function* mapGuestPage(
  vcpu: Vcpu,
  gpa: Gpa,
  access: number,
  write: boolean,
  address: number | null,
): Steps<FaultResult> {
  const { kvm } = vcpu;
  const gfn = gpaToGfn(gpa);
  if (points.on) yield at.list(kvm.id);
  const slot = gfnToMemslot(kvm, gfn);
  if (slot === null) return { kind: 'mmio', gpa };
  if (slot.invalid) return RETRY;
  const readOnly = (slot.flags & KVM_MEM_READONLY) !== 0;
  if (write && readOnly) return { kind: 'mmio', gpa };
  // page_fault_handle_page_track(): such a store can never be mapped.
  if (write && isWriteTracked(slot, gfn)) return { kind: 'emulate', gpa };
  if (isCacheLow(vcpu) && !(yield* topupShadowPageCache(vcpu)))
    return { kind: 'error', errno: Errno.ENOMEM, gpa };

  if (points.on) yield at.sequence(kvm.id);
  const sequence = kvm.mmuInvalidateSeq;
  const page = yield* getUserPage(kvm.mm, slot.hvaOf(gfn), write);
  if (page < 0) return { kind: 'error', errno: -page, gpa };
  const hostWritable = kvm.host.gup.writable && !readOnly;
  const leaf: Leaf = { level: 0, gfn, pfn: page as Pfn, access, hostWritable, write };
  const answer = yield* installUnderLock(vcpu, slot, leaf, sequence, address);
  yield* putPage(kvm.host, leaf.pfn);
  if (answer === RetPf.fixed && isThrashing(vcpu)) return { kind: 'error', errno: Errno.ENOMEM, gpa };
  return faultResultOf(answer, gpa);
}

/**
 * Faults for one instruction that are all resolved, while the host takes away what earlier ones installed: it has too
 * little memory for what the instruction needs at the same time. Linux would go on for ever; no program gains by that.
 */
function isThrashing({ hart, faultsOf }: Vcpu): boolean {
  if (faultsOf.attempted !== hart.attempted) faultsOf.count = 0;
  faultsOf.attempted = hart.attempted;
  return ++faultsOf.count > MAX_FAULTS_OF_INSTRUCTION;
}

function faultResultOf(answer: RetPf, gpa: Gpa): FaultResult {
  if (answer === RetPf.emulate) return { kind: 'emulate', gpa };
  if (answer === RetPf.noSpace) return { kind: 'error', errno: Errno.ENOSPC, gpa };
  if (answer === RetPf.fixed) return FIXED;
  return answer === RetPf.spurious ? SPURIOUS : RETRY;
}

function* installUnderLock(
  vcpu: Vcpu,
  slot: Memslot,
  leaf: Leaf,
  sequence: number,
  address: number | null,
): Steps<RetPf> {
  const { kvm } = vcpu;
  const { mmuLock } = kvm;
  if (points.on) yield at.lock(mmuLock);
  if (!mmuLock.takeWrite()) yield* mmuLock.wait();
  if (points.on) yield at.list(kvm.id);
  const sameSlot = gfnToMemslot(kvm, leaf.gfn) === slot;
  if (points.on) yield at.sequence(kvm.id);
  let answer: RetPf = RetPf.retry;
  const stale = !sameSlot || isPageFaultStale(vcpu, leaf.gfn, sequence);
  kvm.trace.fault_check?.(
    vcpu.index,
    leaf.gfn,
    slot.hvaOf(leaf.gfn),
    leaf.pfn,
    1,
    sequence,
    kvm.mmuInvalidateSeq,
    kvm.mmuInvalidateInProgress,
    kvm.mmuInvalidateRangeStart,
    kvm.mmuInvalidateRangeEnd,
    rootState(vcpu),
    Number(stale),
  );
  if (!stale) {
    answer = yield* address === null ? fetchDirect(vcpu, leaf, slot) : fetchPaged(vcpu, address, leaf, slot);
  }
  if (points.on) yield at.lock(mmuLock);
  mmuLock.release();
  return answer;
}

/** is_page_fault_stale(): the VM or the root went, or a notifier touched the gfn since the snapshot. */
function isPageFaultStale(vcpu: Vcpu, gfn: Gfn, sequence: number): boolean {
  const { kvm } = vcpu;
  if (kvm.vmDead || vcpu.root?.invalid || vcpu.directRoot?.invalid) return true;
  return mmuInvalidateRetryGfn(kvm, sequence, gfn);
}

/** mmu_invalidate_retry_gfn(): mmu_lock held. Preceded by at.sequence(kvm.id). */
export function mmuInvalidateRetryGfn(kvm: Kvm, sequence: number, gfn: Gfn): boolean {
  if (points.on) points.check('sequence', kvm.id, 'read');
  if (
    kvm.mmuInvalidateInProgress > 0 &&
    gfn >= kvm.mmuInvalidateRangeStart &&
    gfn < kvm.mmuInvalidateRangeEnd
  ) {
    return true;
  }
  return kvm.mmuInvalidateSeq !== sequence;
}

/** FNAME(fetch): from the root down the guest's tables, then inside the guest's superpage, to the leaf. */
function* fetchPaged(vcpu: Vcpu, address: number, page: Leaf, slot: Memslot): Steps<RetPf> {
  const { kvm, root, guestWalk } = vcpu;
  const { level: guestLevel } = guestWalk.walk;
  if (root === null || root.gfn !== guestWalk.tableGfn(2)) return RetPf.retry;
  if (points.on) yield at.list(kvm.id);
  const rootSlot = gfnToMemslot(kvm, root.gfn);
  if (points.on) yield at.tlb(kvm.sched.current.cpu);
  if (guestWalk.hasChanged(2, rootSlot)) return RetPf.retry;
  let sp = root;
  for (let level = 2; level > guestLevel; level--) {
    sp.writeFloodingCount = 0;
    const sptep = sp.sptep(pteIndex(address, level));
    const gfn = guestWalk.tableGfn(level - 1);
    if (points.on) yield at.spte(sptep);
    const child =
      linkedChild(kvm, sptep, gfn, sp.childRole) ?? (yield* linkChild(vcpu, sp, sptep, gfn, sp.childRole));
    if (typeof child === 'number') return child;
    // Written between the walk and the write protection of the table: what was read is not what is shadowed.
    if (points.on) yield at.list(kvm.id);
    const tableSlot = gfnToMemslot(kvm, gfn);
    if (points.on) yield at.tlb(kvm.sched.current.cpu);
    if (guestWalk.hasChanged(level - 1, tableSlot)) return RetPf.retry;
    sp = child;
  }
  // After the tables on the way are shadowed, which may speak against it.
  const leaf = mayBeHuge(kvm, slot, page.gfn, guestLevel)
    ? yield* hugepageAdjust(kvm, slot, page, root.role)
    : page;
  kvm.trace.kvm_mmu_spte_requested?.(leaf.gfn, leaf.pfn, leaf.level + 1);
  for (let level = guestLevel; level > leaf.level; level--) {
    sp.writeFloodingCount = 0;
    const sptep = sp.sptep(pteIndex(address, level));
    const gfn = firstGfnAt(leaf, level);
    const role = sp.role.direct ? sp.childRole : directRole(level - 1, leaf.access, root.role.pmp);
    if (points.on) yield at.spte(sptep);
    const child = linkedChild(kvm, sptep, gfn, role) ?? (yield* linkChild(vcpu, sp, sptep, gfn, role));
    if (typeof child === 'number') return child;
    sp = child;
  }
  return yield* setLeafSpte(kvm, sp, sp.sptep(pteIndex(address, leaf.level)), leaf);
}

/** The first gfn of what an entry of `level` covers around the leaf. */
const firstGfnAt = ({ gfn }: Leaf, level: number): Gfn => (gfn - (gfn % (levelBytes(level) / 4096))) as Gfn;

/** The child page of `parent` behind `sptep`, found or made, and linked; or the end of the fault, if it cannot be. */
function* linkChild(
  vcpu: Vcpu,
  parent: ShadowPage,
  sptep: Hpa,
  gfn: Gfn,
  role: Role,
): Steps<ShadowPage | RetPf> {
  const { kvm } = vcpu;
  const sp = yield* getShadowPage(vcpu, gfn, role);
  if (sp === null) return RetPf.noSpace;
  // Making room, or syncing what was found, may have zapped what this walk came through.
  if (parent.invalid || sp.invalid) return RetPf.retry;
  // A subtree that is linked anew was never valid here before: no fence is due, so it must be in sync.
  if (sp.unsyncChildren > 0) yield* syncChildren(kvm, sp);
  if (parent.invalid || sp.invalid) return RetPf.retry;
  yield* linkShadowPage(kvm, parent, sptep, sp);
  return sp;
}

/** direct_map(). */
function* fetchDirect(vcpu: Vcpu, page: Leaf, slot: Memslot): Steps<RetPf> {
  const { kvm } = vcpu;
  let sp = vcpu.directRoot ?? bug('a direct fault without a direct root', { vcpu: vcpu.index });
  const leaf = mayBeHuge(kvm, slot, page.gfn, MAX_LEAF_LEVEL)
    ? yield* hugepageAdjust(kvm, slot, page, sp.role)
    : page;
  kvm.trace.kvm_mmu_spte_requested?.(leaf.gfn, leaf.pfn, leaf.level + 1);
  const gpa = leaf.gfn * 4096;
  for (let level = 2; level > leaf.level; level--) {
    const sptep = sp.sptep(pteIndexX4(gpa, level));
    const gfn = firstGfnAt(leaf, level);
    if (points.on) yield at.spte(sptep);
    const child: ShadowPage | RetPf =
      linkedChild(kvm, sptep, gfn, sp.childRole) ?? (yield* linkChild(vcpu, sp, sptep, gfn, sp.childRole));
    if (typeof child === 'number') return child;
    sp = child;
  }
  return yield* setLeafSpte(kvm, sp, sp.sptep(pteIndexX4(gpa, leaf.level)), leaf);
}
