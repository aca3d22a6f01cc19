// Changing an spte in place, and whether it may be writable (mmu_spte_update, make_spte, mmu_try_to_unsync_pages).
//
// mmu.ts installs and sync.ts refreshes with it.
//
// Invariants: an spte that loses W is flushed before mmu_lock is dropped; A and D are kept; a guest table becomes writable
// only by going out of sync. Locks: mmu_lock for write.

import { ptePfn } from '../hw/sv39/index.ts';
import { at, points, type Steps } from '../sched/index.ts';
import { bug, type Gfn, type Hpa } from '../units.ts';
import type { Kvm } from './kvm.ts';
import type { Memslot } from './memslot.ts';
import { kvmFlushRemoteTlbs } from './requests.ts';
import type { ShadowPage } from './shadowPage.ts';
import { changeLeafSpte, isWritableSpte } from './spte.ts';
import { markUnsync } from './unsyncTree.ts';
import { isWriteTracked } from './writeTrack.ts';

/** The page that a present non-leaf spte points to. */
export const childOf = (kvm: Kvm, spte: number): ShadowPage =>
  kvm.pageOfFrame.get(ptePfn(spte)) ?? bug('spte points to no shadow page', { spte });

/** mmu_spte_update(): other permissions for a present leaf of the same page; flushes when it lost W. */
export function* updateSpte(kvm: Kvm, sptep: Hpa, spte: number): Steps {
  kvm.mmuLock.assertHeldWrite();
  if (points.on) yield at.spte(sptep);
  const old = changeLeafSpte(kvm.memory, sptep, spte);
  if (isWritableSpte(old & ~spte)) yield* kvmFlushRemoteTlbs(kvm);
}

/** Nothing speaks against W. */
export const isPlainMemory = (kvm: Kvm, slot: Memslot, gfn: Gfn): boolean =>
  !kvm.pagesOfGfn.has(gfn) && !isWriteTracked(slot, gfn);

/**
 * make_spte()'s question of what is not plain memory: a gfn that is a guest table gets W only by going out of sync, and
 * a tracked one never.
 */
export function* mayBeWritable(kvm: Kvm, slot: Memslot, gfn: Gfn, canUnsync: boolean): Steps<boolean> {
  if (isWriteTracked(slot, gfn)) return false;
  return yield* tryToUnsyncPages(kvm, gfn, canUnsync);
}

/**
 * mmu_try_to_unsync_pages(): a writable spte for `gfn` is about to be made. False: it is a guest table that must keep
 * trapping (a level above the lowest, or `canUnsync` is false).
 */
function* tryToUnsyncPages(kvm: Kvm, gfn: Gfn, canUnsync: boolean): Steps<boolean> {
  const pages = (kvm.pagesOfGfn.get(gfn) ?? []).filter((sp) => !sp.role.direct);
  // While pages are being synced not even for one that is unsync still: it may be the next.
  if (pages.length > 0 && !canUnsync) return false;
  if (pages.some((sp) => sp.role.level > 0)) return false;
  for (const sp of pages) {
    if (sp.unsync) continue;
    if (points.on) yield at.list(kvm.id);
    markUnsync(kvm, sp);
  }
  return true;
}
