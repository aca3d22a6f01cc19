// Roots: which tables a hart walks, and which of them its fences have brought in sync (kvm_mmu_load, kvm_mmu_new_pgd,
// kvm_mmu_sync_roots; the fences of reference kvm.md 2.4).
//
// A satp write only switches the root: nothing is flushed or synced for it. A root that is loaded again after a fence
// that concerned it is synced then, not at the fence, so that the work is what the manual demands and no more.
//
// Invariants: a vCPU's roots are referenced (rootCount) while the hart may walk them; the vCPU's fence clock calls a root
// in sync only if no fence of that vCPU has concerned it since it was synced. Locks: each function takes mmu_lock.

import { NO_ROOT, OPEN_PMP, satpAsid, satpIsPaged, satpRoot } from '../hw/hart/index.ts';
import { allocKernelPages, freeKernelPages } from '../mm/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { type Gfn, type Gpa, gpaToGfn, pfnToHpa } from '../units.ts';
import { rememberRoot } from './grants.ts';
import type { Kvm } from './kvm.ts';
import { gfnToMemslot } from './memslot.ts';
import { getShadowPage, insertShadowPage } from './mmu.ts';
import { recycleForMemory, topupShadowPageCache } from './recycle.ts';
import { ACCESS_ALL, type Role, ShadowPage, tableRole } from './shadowPage.ts';
import { syncAddress, syncChildren } from './sync.ts';
import type { Vcpu } from './vcpuState.ts';
import { commitZapPage, putRoot } from './zap.ts';

const DIRECT_ROOT: Role = { level: 2, direct: true, wide: true, access: ACCESS_ALL, pmp: OPEN_PMP };

/** Whether the hart has every root that it needs: kvm_mmu_reload() has nothing to do. */
export function isMmuLoaded({ kvm, hart, root, directRoot }: Vcpu): boolean {
  if (directRoot === null || directRoot.invalid) return false;
  return root === null ? kvm.mmu === 'tdp' || !satpIsPaged(hart) : !root.invalid;
}

/** kvm_mmu_reload(): loads what is missing. False: out of memory. */
export function* kvmMmuReload(vcpu: Vcpu): Steps<boolean> {
  yield* freeObsoleteRoots(vcpu);
  if (vcpu.directRoot === null && !(yield* loadDirectRoot(vcpu))) return false;
  if (vcpu.kvm.mmu === 'tdp' || vcpu.root !== null || !satpIsPaged(vcpu.hart)) return true;
  return yield* loadPagedRoot(vcpu);
}

/**
 * kvm_mmu_new_pgd(): satp was written, or the PMP: both choose the root. The next reload finds the new one, most often a
 * cached one.
 */
export function* kvmMmuNewPgd(vcpu: Vcpu): Steps {
  const { root, hart } = vcpu;
  const { userKey } = hart.pmp;
  // The fence clock knows roots by their gfn.
  if (vcpu.pmpKey !== userKey) vcpu.fences.forget();
  vcpu.pmpKey = userKey;
  if (root === null) return;
  if (points.on) yield at.vcpu(vcpu.index);
  const samePmp = root.role.pmp.userKey === userKey;
  if (samePmp && satpIsPaged(hart) && root.gfn === gpaToGfn(satpRoot(hart) as Gpa)) {
    vcpu.hart.setShadowRoot(pfnToHpa(root.spt));
    rememberRoot(vcpu, root);
    return yield* syncRoot(vcpu);
  }
  vcpu.root = null;
  vcpu.hart.setShadowRoot(NO_ROOT);
  yield* release(vcpu, root);
}

/** kvm_mmu_unload(): lets go of every root and of the frames set aside. */
export function* kvmMmuUnload(vcpu: Vcpu): Steps {
  const roots = [vcpu.root, vcpu.directRoot];
  if (points.on) yield at.vcpu(vcpu.index);
  vcpu.root = null;
  vcpu.directRoot = null;
  vcpu.hart.setShadowRoot(NO_ROOT);
  vcpu.hart.setDirectRoot(NO_ROOT);
  for (const root of roots) if (root !== null) yield* release(vcpu, root);
  for (const frame of vcpu.shadowPageCache.splice(0)) yield* freeKernelPages(vcpu.kvm.host, frame, 0);
}

/** kvm_mmu_free_obsolete_roots(). */
function* freeObsoleteRoots(vcpu: Vcpu): Steps {
  const { root, directRoot } = vcpu;
  if (root?.invalid) {
    if (points.on) yield at.vcpu(vcpu.index);
    vcpu.root = null;
    vcpu.hart.setShadowRoot(NO_ROOT);
    yield* release(vcpu, root);
  }
  if (directRoot?.invalid) {
    if (points.on) yield at.vcpu(vcpu.index);
    vcpu.directRoot = null;
    vcpu.hart.setDirectRoot(NO_ROOT);
    yield* release(vcpu, directRoot);
  }
}

/** The vCPU lets go of a root. Takes mmu_lock. */
export function* release(vcpu: Vcpu, root: ShadowPage): Steps {
  const { kvm } = vcpu;
  const invalidList: ShadowPage[] = [];
  yield* kvm.mmuLock.lockWrite();
  putRoot(kvm, root, invalidList);
  yield* commitZapPage(kvm, invalidList);
  yield* kvm.mmuLock.unlock();
}

/** mmu_alloc_direct_roots(): all vCPUs share one. False: out of memory. */
function* loadDirectRoot(vcpu: Vcpu): Steps<boolean> {
  const { kvm } = vcpu;
  yield* kvm.mmuLock.lockWrite();
  const shared = sharedDirectRoot(kvm);
  if (points.on) yield at.vcpu(vcpu.index);
  if (shared !== undefined) useDirectRoot(vcpu, shared);
  yield* kvm.mmuLock.unlock();
  return shared !== undefined || (yield* makeDirectRoot(vcpu));
}

function* makeDirectRoot(vcpu: Vcpu): Steps<boolean> {
  const { kvm } = vcpu;
  const frames = yield* allocWideRoot(vcpu);
  if (frames === null) return false;
  yield* kvm.mmuLock.lockWrite();
  // Another vCPU may have made it while this one waited for memory.
  const late = sharedDirectRoot(kvm);
  const fresh = new ShadowPage(0 as Gfn, DIRECT_ROOT, frames);
  const root = late ?? (yield* insertShadowPage(kvm, fresh));
  if (points.on) yield at.vcpu(vcpu.index);
  useDirectRoot(vcpu, root);
  yield* kvm.mmuLock.unlock();
  if (late !== undefined) yield* freeKernelPages(kvm.host, frames, 2);
  return true;
}

const sharedDirectRoot = (kvm: Kvm): ShadowPage | undefined =>
  kvm.pagesOfGfn.get(0 as Gfn)?.find((sp) => sp.role.wide);

function useDirectRoot(vcpu: Vcpu, root: ShadowPage): void {
  root.rootCount++;
  vcpu.directRoot = root;
  vcpu.hart.setDirectRoot(pfnToHpa(root.spt));
}

function* allocWideRoot(vcpu: Vcpu) {
  for (;;) {
    const frames = yield* allocKernelPages(vcpu.kvm.host, 2, 'shadow');
    if (frames !== null || (yield* recycleForMemory(vcpu.kvm, 4)) === 0) return frames;
  }
}

/** mmu_alloc_shadow_roots(): without memory at the root's gfn there is none, and every access faults in the guest. */
function* loadPagedRoot(vcpu: Vcpu): Steps<boolean> {
  const { kvm } = vcpu;
  const gfn = gpaToGfn(satpRoot(vcpu.hart) as Gpa);
  if (points.on) yield at.list(kvm.id);
  if (!isVisible(kvm, gfn)) return true;
  if (!(yield* topupShadowPageCache(vcpu))) return false;
  yield* kvm.mmuLock.lockWrite();
  // The memslot may have gone since; once it is INVALID under mmu_lock, nothing may be shadowed in it any more.
  if (points.on) yield at.list(kvm.id);
  const loaded = !isVisible(kvm, gfn) || (yield* loadRootLocked(vcpu, gfn));
  yield* kvm.mmuLock.unlock();
  return loaded;
}

/** kvm_is_visible_gfn(). */
function isVisible(kvm: Kvm, gfn: Gfn): boolean {
  const slot = gfnToMemslot(kvm, gfn);
  return slot !== null && !slot.invalid;
}

function* loadRootLocked(vcpu: Vcpu, gfn: Gfn): Steps<boolean> {
  const { kvm, hart } = vcpu;
  kvm.mmuLock.assertHeldWrite();
  const root = yield* getShadowPage(vcpu, gfn, tableRole(2, hart.pmp));
  if (root === null) return false;
  root.rootCount++;
  root.writeFloodingCount = 0;
  if (points.on) yield at.vcpu(vcpu.index);
  vcpu.root = root;
  hart.setShadowRoot(pfnToHpa(root.spt));
  yield* syncIfFencedLocked(vcpu, root);
  rememberRoot(vcpu, root);
  return true;
}

/** Syncs `root` unless it is in sync with the fences of this vCPU already. */
function* syncIfFencedLocked(vcpu: Vcpu, root: ShadowPage): Steps {
  const asid = satpAsid(vcpu.hart);
  if (vcpu.fences.isInSync(root.gfn, asid)) return;
  if (root.unsyncChildren > 0) yield* syncChildren(vcpu.kvm, root);
  vcpu.fences.noteSynced(root.gfn, asid);
}

/** kvm_mmu_sync_roots(), of the current root. */
function* syncRoot(vcpu: Vcpu): Steps {
  const { kvm, root } = vcpu;
  if (root === null) return;
  yield* kvm.mmuLock.lockWrite();
  if (!root.invalid) yield* syncIfFencedLocked(vcpu, root);
  yield* kvm.mmuLock.unlock();
}

/** An executed sfence.vma; null: that operand was x0. */
export interface Fence {
  /** Address of the page. */
  readonly page: number | null;
  readonly asid: number | null;
}

/** What a fence demands: table in reference kvm.md 2.4. The hart's TLB is flushed by vcpu.ts. */
export function* kvmMmuFence(vcpu: Vcpu, { page, asid }: Fence): Steps {
  const { root, fences } = vcpu;
  if (page !== null) vcpu.stats.invlpg++;
  const current = satpAsid(vcpu.hart);
  const concerned = root !== null && (asid === null || asid === current);
  const wasInSync = concerned && fences.isInSync(root.gfn, current);
  fences.fence(asid);
  if (!concerned) return;
  if (page === null || !wasInSync) return yield* syncRoot(vcpu);
  yield* syncCurrentAddress(vcpu, page);
  fences.noteSynced(root.gfn, current);
}

function* syncCurrentAddress(vcpu: Vcpu, address: number): Steps {
  const { kvm, root } = vcpu;
  if (root === null) return;
  const { mmuLock } = kvm;
  if (points.on) yield at.lock(mmuLock);
  if (!mmuLock.takeWrite()) yield* mmuLock.wait();
  if (!root.invalid) yield* syncAddress(kvm, root, address);
  if (points.on) yield at.lock(mmuLock);
  mmuLock.release();
}
