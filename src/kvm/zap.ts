// Zapping: taking translations away, from one spte to all of them (drop_spte, kvm_mmu_prepare_zap_page and callers).
//
// Notifier callbacks, guest stores to tables, recycling and teardown all end here.
//
// Invariants: dropping a present leaf transfers its D to the page and its A to the LRU, from the value that the exchange
// returned. A zapped shadow page is unlinked at once, but its frame is freed only after every vCPU was flushed and the
// last root reference is gone (commit).
// Locks: mmu_lock for write everywhere.

import { breakReservation } from '../hw/hart/index.ts';
import { isPresent, PTE_A, PTE_D, ptePfn } from '../hw/sv39/index.ts';
import { freeKernelPages, markPageAccessed, setPageDirty } from '../mm/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { bug, type Gfn, type Hpa, type Pfn, pfn as toPfn } from '../units.ts';
import type { Kvm } from './kvm.ts';
import { gfnToMemslot, hugeGfnOf, type Memslot } from './memslot.ts';
import { kvmFlushRemoteTlbs, kvmMakeAllCpusRequest } from './requests.ts';
import { owesFlushOf } from './reservation.ts';
import type { ShadowPage } from './shadowPage.ts';
import { exchangeSpte, framesAt, isShadowLeaf, readSpte } from './spte.ts';
import { roleWord } from './traceTerms.ts';
import { clearUnsyncChild, unmarkUnsync, unsyncDescendants } from './unsyncTree.ts';
import { Request } from './vcpuMode.ts';
import { unaccountShadowed } from './writeTrack.ts';

/** The host page learns what the guest did through `old`. */
function* transferAccessedDirty(kvm: Kvm, old: number): Steps {
  const frame = kvm.host.frames.folioOf(ptePfn(old));
  // Everybody's page of zeros is nobody's to age.
  if (frame === kvm.host.zeroPfn) return;
  if (points.on) yield at.page(frame);
  if ((old & PTE_D) !== 0) setPageDirty(kvm.host, frame);
  if ((old & PTE_A) !== 0) markPageAccessed(kvm.host, frame);
}

/** drop_spte(): removes a present leaf. The caller owes a TLB flush. */
export function* dropSpte(kvm: Kvm, sp: ShadowPage, sptep: Hpa): Steps {
  kvm.mmuLock.assertHeldWrite();
  if (points.on) yield at.spte(sptep);
  const old = exchangeSpte(kvm.memory, sptep, 0);
  const gfn = sp.gfnOf(sp.indexOf(sptep));
  if (points.on) yield at.list(kvm.id);
  const slot = gfnToMemslot(kvm, gfn) ?? bug('a mapped gfn has no memslot', { gfn });
  const { level } = sp.role;
  if (level === 0) {
    slot.rmap.remove(gfn, sptep);
    kvm.stats.pages_4k--;
  } else {
    slot.hugeRmap.remove(hugeGfnOf(gfn), sptep);
    kvm.stats.pages_2m--;
  }
  for (const vcpu of kvm.vcpus) {
    if (points.on) yield at.vcpu(vcpu.index);
    for (let i = 0; i < framesAt(level); i++) breakReservation(vcpu.hart, (ptePfn(old) + i) as Pfn);
  }
  yield* owesFlushOf(kvm, ptePfn(old), framesAt(level));
  yield* transferAccessedDirty(kvm, old);
}

/** mmu_page_zap_pte(): whatever the spte is; true when something present went. */
export function* zapPte(kvm: Kvm, sp: ShadowPage, sptep: Hpa): Steps<boolean> {
  if (points.on) yield at.spte(sptep);
  const spte = readSpte(kvm.memory, sptep);
  if (!isPresent(spte)) return false;
  if (isShadowLeaf(spte)) yield* dropSpte(kvm, sp, sptep);
  else yield* unlinkChild(kvm, sptep, spte);
  return true;
}

/** drop_parent_pte(): the spte stops pointing to its child. */
function* unlinkChild(kvm: Kvm, sptep: Hpa, spte: number): Steps {
  const child = kvm.pageOfFrame.get(ptePfn(spte)) ?? bug('spte points to no shadow page', { sptep });
  child.parents.delete(sptep);
  if (child.unsync || child.unsyncChildren > 0) clearUnsyncChild(kvm, sptep);
  if (points.on) yield at.spte(sptep);
  exchangeSpte(kvm.memory, sptep, 0);
}

/** kvm_zap_all_rmap_sptes(): every translation of 4 KiB of one gfn; true when the caller owes a flush. */
export function* zapGfn(kvm: Kvm, slot: Memslot, gfn: Gfn): Steps<boolean> {
  const sptes = slot.rmap.sptesOf(gfn);
  for (const sptep of sptes) yield* dropSpte(kvm, kvm.pageOfSptep(sptep), sptep);
  return sptes.length > 0;
}

/** kvm_unmap_gfn_range(). */
export function* unmapGfnRange(kvm: Kvm, slot: Memslot, startGfn: Gfn, endGfn: Gfn): Steps<boolean> {
  const huge = slot.hugeSptesIn(startGfn, endGfn);
  for (const sptep of huge) yield* dropSpte(kvm, kvm.pageOfSptep(sptep), sptep);
  let flush = huge.length > 0;
  for (const gfn of slot.rmap.mappedGfns(startGfn, endGfn)) flush = (yield* zapGfn(kvm, slot, gfn)) || flush;
  return flush;
}

/**
 * kvm_mmu_prepare_zap_page(): unlinks `sp` from everything and puts it on `invalidList`; its unsync children go with
 * it. A page that is still a root stays until its vCPUs let go.
 */
export function* prepareZapPage(kvm: Kvm, sp: ShadowPage, invalidList: ShadowPage[]): Steps {
  if (sp.invalid) return;
  kvm.trace.kvm_mmu_prepare_zap_page?.(0, sp.gfn, roleWord(sp), sp.rootCount, Number(sp.unsync), sp.spt);
  kvm.stats.mmu_shadow_zapped++;
  sp.invalid = true;
  yield* zapUnsyncChildren(kvm, sp, invalidList);
  for (const sptep of presentSptes(kvm, sp)) yield* zapPte(kvm, sp, sptep);
  for (const sptep of [...sp.parents]) yield* unlinkParent(kvm, sp, sptep);
  if (!sp.role.direct) {
    if (points.on) yield at.list(kvm.id);
    unaccountShadowed(kvm, sp);
  }
  if (sp.unsync) unmarkUnsync(kvm, sp);
  forget(kvm, sp);
  if (sp.rootCount === 0) invalidList.push(sp);
  else yield* kvmMakeAllCpusRequest(kvm, Request.freeObsoleteRoots);
}

/** The present sptes of a page. Needs no point: only holders of mmu_lock make an spte present or not. */
export function presentSptes(kvm: Kvm, sp: ShadowPage): Hpa[] {
  const found: Hpa[] = [];
  for (let index = 0; index < sp.entries; index++) {
    if (isPresent(kvm.memory.i32[sp.sptep(index) >>> 2]!)) found.push(sp.sptep(index));
  }
  return found;
}

function* unlinkParent(kvm: Kvm, sp: ShadowPage, sptep: Hpa): Steps {
  if (sp.unsync || sp.unsyncChildren > 0) clearUnsyncChild(kvm, sptep);
  sp.parents.delete(sptep);
  if (points.on) yield at.spte(sptep);
  exchangeSpte(kvm.memory, sptep, 0);
}

/** mmu_zap_unsync_children(): nobody would find them any more when they must be synced. */
function* zapUnsyncChildren(kvm: Kvm, sp: ShadowPage, invalidList: ShadowPage[]): Steps {
  for (const child of unsyncDescendants(kvm, sp)) yield* prepareZapPage(kvm, child, invalidList);
}

function forget(kvm: Kvm, sp: ShadowPage): void {
  kvm.shadowPages.delete(sp);
  const bucket = kvm.pagesOfGfn.get(sp.gfn) ?? bug('shadow page is not in the hash', { gfn: sp.gfn });
  bucket.splice(bucket.indexOf(sp), 1);
  if (bucket.length === 0) kvm.pagesOfGfn.delete(sp.gfn);
}

/** kvm_mmu_commit_zap_page(): flushes every vCPU first, frees afterwards. */
export function* commitZapPage(kvm: Kvm, invalidList: ShadowPage[]): Steps {
  if (invalidList.length === 0) return;
  yield* kvmFlushRemoteTlbs(kvm);
  for (const sp of invalidList.splice(0)) yield* freeShadowPage(kvm, sp);
}

/** kvm_mmu_remote_flush_or_zap(). */
export function* remoteFlushOrZap(kvm: Kvm, invalidList: ShadowPage[], flush: boolean): Steps {
  if (invalidList.length > 0) yield* commitZapPage(kvm, invalidList);
  else if (flush) yield* kvmFlushRemoteTlbs(kvm);
}

function* freeShadowPage(kvm: Kvm, sp: ShadowPage): Steps {
  if (sp.rootCount !== 0) bug('a root is freed while in use', { gfn: sp.gfn });
  if (presentSptes(kvm, sp).length > 0) bug('a present spte in a freed shadow page', { gfn: sp.gfn });
  for (let i = 0; i < sp.frames; i++) kvm.pageOfFrame.delete(toPfn(sp.spt + i));
  kvm.usedMmuPages -= sp.frames;
  yield* freeKernelPages(kvm.host, sp.spt, sp.role.wide ? 2 : 0);
}

/** A vCPU lets go of a root (mmu_free_root_page): an invalid one goes with its last user. */
export function putRoot(kvm: Kvm, sp: ShadowPage, invalidList: ShadowPage[]): void {
  kvm.mmuLock.assertHeldWrite();
  sp.rootCount--;
  if (sp.rootCount === 0 && sp.invalid) invalidList.push(sp);
}

/** kvm_mmu_zap_all(): every shadow page; roots in use become obsolete. Takes mmu_lock. */
export function* kvmMmuZapAll(kvm: Kvm): Steps {
  yield* kvm.mmuLock.lockWrite();
  const invalidList: ShadowPage[] = [];
  for (const sp of [...kvm.shadowPages]) yield* prepareZapPage(kvm, sp, invalidList);
  yield* remoteFlushOrZap(kvm, invalidList, true);
  yield* kvm.mmuLock.unlock();
}

/** kvm_arch_flush_shadow_memslot(): x86 zaps everything. Called under slots_lock. */
export const kvmArchFlushShadowMemslot = kvmMmuZapAll;
