// Out-of-sync leaf tables: a guest table of the lowest level may be written without traps until a fence that covers it
// makes its shadow page follow (mmu_try_to_unsync_pages, kvm_sync_page, mmu_sync_children, kvm_mmu_invlpg).
//
// What each fence demands is tabulated in the reference (kvm.md 2.4); roots.ts decides which roots it concerns.
//
// Invariants: a synced page is write-protected again before its entries are compared; an entry whose guest entry cannot
// be read now is dropped, never trusted. Locks: mmu_lock for write everywhere.

import { isPresent, PTE_W, pteIndex, ptePfn } from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { bug, type Hpa, pageAlignDown } from '../units.ts';
import { GuestEntry, peekGuestEntry } from './guestMemory.ts';
import type { Kvm } from './kvm.ts';
import { gfnToMemslot } from './memslot.ts';
import { kvmFlushRemoteTlbs, kvmFlushRemoteTlbsPage } from './requests.ts';
import { type ShadowPage, shadowAccess } from './shadowPage.ts';
import { isShadowLeaf, makeLeafSpte, readSpte, SPTE_HOST_WRITABLE } from './spte.ts';
import { childOf, mayBeWritable, updateSpte } from './spteChange.ts';
import { roleWord } from './traceTerms.ts';
import { unmarkUnsync, unsyncDescendants } from './unsyncTree.ts';
import { writeProtectGfn } from './writeTrack.ts';
import { dropSpte, prepareZapPage, presentSptes, remoteFlushOrZap } from './zap.ts';

type SyncResult = 'unchanged' | 'changed' | 'unreadable';

/** kvm_sync_spte(): makes one present leaf what the guest's entry says now. */
function* syncSpte(kvm: Kvm, sp: ShadowPage, sptep: Hpa): Steps<SyncResult> {
  const index = sp.indexOf(sptep);
  if (points.on) yield at.list(kvm.id);
  const slot = gfnToMemslot(kvm, sp.gfn);
  if (points.on) yield at.tlb(kvm.sched.current.cpu);
  if (!peekGuestEntry(kvm, slot, sp.gfn, index, entry)) return 'unreadable';
  const { access } = entry;
  const wanted = entry.isAccessedLeaf ? entry.gfn : null;
  if (wanted === sp.gfnOf(index) && access === sp.accessOf(index)) return 'unchanged';
  if (wanted !== sp.gfnOf(index)) {
    yield* dropSpte(kvm, sp, sptep);
    return 'changed';
  }
  yield* changeAccess(kvm, sp, sptep, access);
  return 'changed';
}

const entry = new GuestEntry();

function* changeAccess(kvm: Kvm, sp: ShadowPage, sptep: Hpa, access: number): Steps {
  const gfn = sp.gfnOf(sp.indexOf(sptep));
  const permitted = shadowAccess(sp.role, gfn, access);
  if (permitted === 0) return yield* dropSpte(kvm, sp, sptep);
  if (points.on) yield at.list(kvm.id);
  const slot = gfnToMemslot(kvm, gfn) ?? bug('a mapped gfn has no memslot', { gfn });
  const writable = (permitted & PTE_W) !== 0 && (yield* mayBeWritable(kvm, slot, gfn, false));
  sp.setTranslation(sp.indexOf(sptep), gfn, access);
  if (points.on) yield at.spte(sptep);
  const old = readSpte(kvm.memory, sptep);
  // Host-writability was recorded only if the guest's entry was writable then; a later store faults and learns it.
  const hostWritable = (old & SPTE_HOST_WRITABLE) !== 0;
  yield* updateSpte(kvm, sptep, makeLeafSpte(ptePfn(old), permitted, hostWritable, writable));
}

/**
 * kvm_sync_page(): brings every entry of an unsync page up to date; the page stays unsync. False: it could not be read
 * and is on `invalidList` now.
 */
export function* syncPage(kvm: Kvm, sp: ShadowPage, invalidList: ShadowPage[]): Steps<boolean> {
  kvm.trace.kvm_mmu_sync_page?.(0, sp.gfn, roleWord(sp), sp.rootCount, Number(sp.unsync), sp.spt);
  let flush = false;
  for (const sptep of presentSptes(kvm, sp)) {
    const result = yield* syncSpte(kvm, sp, sptep);
    if (result === 'unreadable') {
      yield* prepareZapPage(kvm, sp, invalidList);
      return false;
    }
    if (result === 'changed') flush = true;
  }
  if (flush) yield* kvmFlushRemoteTlbs(kvm);
  return true;
}

/** mmu_sync_children(): syncs all below `root` and write-protects their tables again. */
export function* syncChildren(kvm: Kvm, root: ShadowPage): Steps {
  const invalidList: ShadowPage[] = [];
  const pages = [...unsyncDescendants(kvm, root)];
  let protectedSome = false;
  for (const sp of pages) {
    if (points.on) yield at.list(kvm.id);
    const slot = gfnToMemslot(kvm, sp.gfn) ?? bug('a shadowed guest table lost its memslot', { gfn: sp.gfn });
    protectedSome = (yield* writeProtectGfn(kvm, slot, sp.gfn)) || protectedSome;
  }
  // A store through a stale TLB entry after the comparison would go unseen.
  if (protectedSome) yield* kvmFlushRemoteTlbs(kvm);
  kvm.syncing++;
  for (const sp of pages) {
    if (!sp.unsync || sp.invalid) continue;
    unmarkUnsync(kvm, sp);
    yield* syncPage(kvm, sp, invalidList);
  }
  kvm.syncing--;
  yield* remoteFlushOrZap(kvm, invalidList, false);
}

/** kvm_mmu_invlpg() on one root: syncs the one leaf that translates `address`; its table stays unsync. */
export function* syncAddress(kvm: Kvm, root: ShadowPage, address: number): Steps {
  kvm.mmuLock.assertHeldWrite();
  let sp = root;
  // Whether every translation through `sp` is of an address like this one.
  let isOnlyWay = true;
  for (;;) {
    const sptep = sp.sptep(pteIndex(address, sp.role.level));
    if (points.on) yield at.spte(sptep);
    const spte = readSpte(kvm.memory, sptep);
    if (!isPresent(spte)) return;
    if (isShadowLeaf(spte)) {
      if (sp.unsync) yield* syncLeafOrDrop(kvm, sp, sptep, isOnlyWay ? pageAlignDown(address) : null);
      return;
    }
    sp = childOf(kvm, spte);
    isOnlyWay &&= sp.parents.size === 1;
    if (!sp.unsync && sp.unsyncChildren === 0) return;
  }
}

/** `page`: all that is translated by this spte; null: others may be, too. */
function* syncLeafOrDrop(kvm: Kvm, sp: ShadowPage, sptep: Hpa, page: number | null): Steps {
  if (points.on) yield at.spte(sptep);
  const frame = ptePfn(readSpte(kvm.memory, sptep));
  const result = yield* syncSpte(kvm, sp, sptep);
  if (result === 'unchanged') return;
  if (result === 'unreadable') yield* dropSpte(kvm, sp, sptep);
  if (page === null) yield* kvmFlushRemoteTlbs(kvm);
  else yield* kvmFlushRemoteTlbsPage(kvm, page, frame);
}
